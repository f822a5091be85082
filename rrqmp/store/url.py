"""Redis URLs: parsed and checked before the first byte goes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from rrqmp.errors import ConfigurationError
from rrqmp.store.embedded_place import is_embedded, resolve_embedded

_SCHEMES: Final = ("redis", "rediss", "unix", "embedded")
_FORMS: Final = (
    "use redis://[user:password@]host[:port][/db], rediss://… for TLS, unix:///path/to/socket or embedded:[name]"
)
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS: Final = ("db", *_TLS_FILES, "ssl_cert_reqs", "ssl_check_hostname")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where a server is and how to enter. `path` is a socket's, and then host and port count for nothing."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_certs: str = ""
    certfile: str = ""
    keyfile: str = ""
    cert_reqs: str = "required"
    check_hostname: bool = True
    embedded: bool = False

    def __str__(self) -> str:
        """The address for people: never with the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = f"unix://{self.path}" if self.path else f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}"
        return f"{where}/{self.db}" if self.db else where


def parse_url(url: str) -> RedisAddress:
    """Reads a URL; raises `ConfigurationError` that names the fault and the remedy. `embedded:` becomes its socket."""
    if is_embedded(url):
        return RedisAddress(path=str(resolve_embedded(url).socket), embedded=True)
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"Redis URL {_hide(url)!r}: {error}; {_FORMS}") from None
    if parts.scheme not in _SCHEMES:
        close = get_close_matches(parts.scheme, _SCHEMES, 1)
        hint = f"did you mean {close[0]}://? " if close else ""
        raise ConfigurationError(f"Redis URL {_hide(url)!r}: unknown scheme {parts.scheme!r}; {hint}{_FORMS}")
    options = _options(url, parts.query)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.hostname:
            raise ConfigurationError(f"Redis URL {_hide(url)!r}: give three slashes and an absolute path; {_FORMS}")
        return RedisAddress(
            path=unquote(parts.path),
            db=_database(url, options.get("db", "0")),
            username=username,
            password=password,
        )
    if not parts.hostname:
        raise ConfigurationError(f"Redis URL {_hide(url)!r}: it has no host; {_FORMS}")
    return RedisAddress(
        host=parts.hostname,
        port=6379 if port is None else port,
        db=_database(url, parts.path.strip("/") or options.get("db", "0")),
        tls=parts.scheme == "rediss",
        ca_certs=options.get("ssl_ca_certs", ""),
        certfile=options.get("ssl_certfile", ""),
        keyfile=options.get("ssl_keyfile", ""),
        cert_reqs=options.get("ssl_cert_reqs", "required"),
        check_hostname=options.get("ssl_check_hostname", "true").lower() in ("1", "true", "yes"),
        username=username,
        password=password,
    )


def _options(url: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            close = get_close_matches(name, _OPTIONS, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ConfigurationError(
                f"Redis URL {_hide(url)!r}: unknown option {name!r}; {hint}known are {', '.join(_OPTIONS)}"
            )
    for name in _TLS_FILES:
        if name in options and not Path(options[name]).is_file():
            raise ConfigurationError(f"Redis URL {_hide(url)!r}: {name} names {options[name]!r}, which is no file")
    return options


def _database(url: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"Redis URL {_hide(url)!r}: {text!r} is no database number; give 0 or more")
    return int(text)


def _hide(url: str) -> str:
    """The URL without its password, for messages."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, slashes, entry = head.rpartition("//")
    user, colon, _ = entry.partition(":")
    return f"{scheme}{slashes}{user}{colon}{'***' if colon else ''}@{tail}"
