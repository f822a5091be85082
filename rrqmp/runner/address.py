"""Where a runner listens: given by the orchestrator at the end of its arguments, and never beyond this host."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rrqmp.errors import ConfigurationError

FLAG: Final = "--tcp-socket"
# What the orchestrator set before it passed the flag.
VARIABLE: Final = "RRQ_RUNNER_TCP_SOCKET"
_PORT_MOST: Final = 65_535


class SocketAddress(NamedTuple):
    """A loopback address in numbers, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_tcp_socket(text: str) -> SocketAddress:
    """Reads `127.0.0.1:9000`, `localhost:9000` or `[::1]:9000`; raises `ConfigurationError` with the reason."""
    given = text.strip()
    host, colon, port = given.rpartition(":")
    if not given:
        raise _refused(text, "it is empty")
    if not colon or not host:
        raise _refused(text, "it has no port" if not colon else "it has no host")
    if not (port.isascii() and port.isdigit()) or int(port) > _PORT_MOST:
        raise _refused(text, f"{port!r} is no port" if port else "it has no port")
    if int(port) == 0:
        raise _refused(text, "port 0 would be chosen by the system, and the orchestrator would not know it")
    return SocketAddress(_loopback(text, host), int(port))


def find_tcp_socket(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The address that the orchestrator gave: the last `--tcp-socket` anywhere in the arguments, else the variable.

    Raises `ConfigurationError` where there is neither.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    found = None
    for position, argument in enumerate(arguments):
        if argument == FLAG and position + 1 < len(arguments):
            found = arguments[position + 1]
        elif argument.startswith(FLAG + "="):
            found = argument.removeprefix(FLAG + "=")
    if found is None:
        found = environ.get(VARIABLE)
    if found is None:
        raise ConfigurationError(f"no socket address: give {FLAG} 127.0.0.1:PORT, or set {VARIABLE}")
    return found


def _loopback(text: str, host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        number = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise _refused(text, f"{host!r} is no address in numbers") from None
    if bracketed != (number.version == 6):
        raise _refused(text, "an IPv6 address stands in brackets, as in [::1]:9000, and no other does")
    if not number.is_loopback:
        raise _refused(text, f"{host} is not on this host alone: a runner has no authentication")
    return str(number)


def _refused(text: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"the socket address {text!r} cannot be used: {reason}; give 127.0.0.1:PORT")
