"""How redis-py's connections are made: the same settings for blocking and asynchronous ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias, cast

from hiredis import pack_command
from redis.backoff import NoBackoff

from rrqmp.store.script import Argument
from rrqmp.store.url import RedisAddress

Words: TypeAlias = tuple[Argument | float, ...]
# hiredis's own stub takes tuples of one word only.
pack: Final = cast(Callable[[Words], bytes], pack_command)


def link_arguments(
    address: RedisAddress,
    connection_class: type,
    retry: type,
    name: str,
    connect_timeout: float,
    read_timeout: float | None,
) -> dict[str, Any]:
    """Keyword arguments for a redis-py connection of this class to this address.

    RESP2, so that nothing arrives unasked for and wakes a poll; no retries of the library's own, since it would send a
    call twice without a word; no CLIENT SETINFO, which costs two round trips at each connect.
    """
    arguments: dict[str, Any] = {
        "db": address.db,
        "username": address.username or None,
        "password": address.password or None,
        "socket_timeout": read_timeout,
        "socket_connect_timeout": connect_timeout,
        "client_name": name,
        "protocol": 2,
        "retry": retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }
    # Older releases know the two names, newer ones warn of them.
    known = _parameters(connection_class)
    if "driver_info" in known:
        arguments["driver_info"] = None
    elif "lib_name" in known:
        arguments |= {"lib_name": None, "lib_version": None}
    if address.path:
        return arguments | {"path": address.path}
    arguments |= {"host": address.host, "port": address.port, "socket_keepalive": True}
    if address.tls:
        arguments |= {
            "ssl_ca_certs": address.ca_certs or None,
            "ssl_certfile": address.certfile or None,
            "ssl_keyfile": address.keyfile or None,
            "ssl_cert_reqs": address.cert_reqs,
            "ssl_check_hostname": address.check_hostname,
        }
    return arguments


# Kept, since reading signatures touches megabytes of objects: done once in a template, its workers share the pages.
@cache
def _parameters(connection_class: type) -> frozenset[str]:
    known: set[str] = set()
    for ancestor in connection_class.__mro__:
        known.update(inspect.signature(ancestor.__init__).parameters)  # type: ignore[misc]  # of each class, on purpose
    return frozenset(known)
