import pytest

from rrqmp.errors import ConfigurationError
from rrqmp.runner import SocketAddress, find_tcp_socket, parse_tcp_socket


@pytest.mark.parametrize(
    ("text", "host", "port", "spelled"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1:9000"),
        ("  localhost:1 \n", "127.0.0.1", 1, "127.0.0.1:1"),
        ("127.8.9.1:65535", "127.8.9.1", 65535, "127.8.9.1:65535"),
        ("[::1]:9000", "::1", 9000, "[::1]:9000"),
    ],
)
def test_loopback_address_is_read(text: str, host: str, port: int, spelled: str) -> None:
    address = parse_tcp_socket(text)
    assert address == SocketAddress(host, port)
    assert str(address) == spelled


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("127.0.0.1", "it has no port"),
        ("127.0.0.1:", "it has no port"),
        (":9000", "it has no host"),
        ("127.0.0.1:0", "port 0"),
        ("127.0.0.1:65536", "'65536' is no port"),
        ("127.0.0.1:-1", "'-1' is no port"),
        ("127.0.0.1:\u0661", "is no port"),
        ("0.0.0.0:9000", "not on this host alone"),
        ("192.168.1.1:9000", "not on this host alone"),
        ("[::]:9000", "not on this host alone"),
        ("::1:9000", "stands in brackets"),
        ("[127.0.0.1]:9000", "stands in brackets"),
        ("example.com:9000", "no address in numbers"),
        ("127.1:9000", "no address in numbers"),
    ],
)
def test_other_address_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used: .*; give 127.0.0.1:PORT") as caught:
        parse_tcp_socket(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tcp-socket", "127.0.0.1:1"],
        ["--tcp-socket=127.0.0.1:1"],
        ["serve", "--tcp-socket", "127.0.0.1:1", "--verbose"],
        ["--tcp-socket", "127.0.0.1:9", "--tcp-socket", "127.0.0.1:1"],
    ],
)
def test_option_is_found_anywhere_and_goes_before_the_variable(arguments: list[str]) -> None:
    assert find_tcp_socket(arguments, {"RRQ_RUNNER_TCP_SOCKET": "127.0.0.1:2"}) == "127.0.0.1:1"


def test_variable_is_the_fallback() -> None:
    assert find_tcp_socket(["serve"], {"RRQ_RUNNER_TCP_SOCKET": "127.0.0.1:2"}) == "127.0.0.1:2"


@pytest.mark.parametrize("arguments", [[], ["--tcp-socket"]])
def test_neither_is_an_error_that_names_both(arguments: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="give --tcp-socket 127.0.0.1:PORT, or set RRQ_RUNNER_TCP_SOCKET"):
        find_tcp_socket(arguments, {})
