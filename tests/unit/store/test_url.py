"""Redis URLs: what each form means, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from rrqmp.errors import ConfigurationError
from rrqmp.store.embedded_place import embedded_place, resolve_embedded
from rrqmp.store.url import RedisAddress, parse_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1:6379", RedisAddress()),
        ("redis://db.example", RedisAddress(host="db.example")),
        ("redis://db:7000/3", RedisAddress(host="db", port=7000, db=3)),
        ("redis://db?db=4", RedisAddress(host="db", db=4)),
        ("redis://[::1]:6380", RedisAddress(host="::1", port=6380)),
        ("redis://:p%40ss@db", RedisAddress(host="db", password="p@ss")),
        ("redis://u:p@db", RedisAddress(host="db", username="u", password="p")),
        ("rediss://db", RedisAddress(host="db", tls=True)),
        ("rediss://db?ssl_cert_reqs=none&ssl_check_hostname=no",
         RedisAddress(host="db", tls=True, cert_reqs="none", check_hostname=False)),
        ("unix:///run/redis.sock", RedisAddress(path="/run/redis.sock")),
        ("unix://:p@/run/redis.sock?db=2", RedisAddress(path="/run/redis.sock", db=2, password="p")),
    ],
)  # fmt: skip
def test_url_is_read(url: str, address: RedisAddress) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:6379", "unknown scheme 'localhost'"),
        ("reddis://db", "did you mean redis"),
        ("http://db", "use redis://"),
        ("redis://", "no host"),
        ("redis://db:port", "use redis://"),
        ("redis://db:99999", "use redis://"),
        ("redis://db/first", "'first' is no database number"),
        ("redis://db/-1", "no database number"),
        ("redis://db?ssl_cert_regs=none", "did you mean ssl_cert_reqs"),
        ("rediss://db?ssl_ca_certs=/no/such/file", "which is no file"),
        ("unix://run/redis.sock", "three slashes"),
        ("embedded:a/b", "embedded:NAME"),
        ("embedded:..", "embedded:NAME"),
        ("", "unknown scheme ''"),
    ],
)
def test_wrong_url_is_told_what_is_wrong(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert told in str(caught.value)


def test_password_is_in_no_message_and_no_text() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url("redis://user:secret@db/first")
    assert "secret" not in str(caught.value)
    address = parse_url("redis://user:secret@db")
    assert "secret" not in f"{address} {address!r}"


def test_embedded_urls_name_one_place_each(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    assert resolve_embedded("embedded:", environ).directory == tmp_path / "rrqmp" / "default"
    assert resolve_embedded("embedded:tests", environ).directory == tmp_path / "rrqmp" / "tests"
    assert resolve_embedded(f"embedded:{tmp_path}", environ).directory == tmp_path


def test_socket_of_a_long_path_moves_to_the_runtime_directory(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    long = Path("/" + "x" * 120)
    place = embedded_place(long, environ)
    assert place.socket.parent == tmp_path / "rrqmp"
    assert place == embedded_place(long, environ)
    assert place.socket != embedded_place(Path("/" + "y" * 120), environ).socket


def test_address_of_version_6_is_shown_as_it_was_given() -> None:
    assert str(parse_url("redis://[::1]:6380/2")) == "redis://[::1]:6380/2"
