"""Bytes of any kind at a runner: none ends it, and none holds up another connection."""

import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runner.conftest import StartRunner
from tests.runner.harness import Running, Wire, cancel, frame, request

# Bytes are the same to every interpreter.
pytestmark = pytest.mark.once

GOOD = frame(request("echo", {"n": 1}, request_id="fuzz", job_id="fuzz"))
CANCEL = frame(cancel(request("echo", request_id="fuzz", job_id="fuzz")))
# A neighbour waits no longer than this for its answer, on a machine that is busy with others as well.
PATIENCE = 5.0


def spoilt(original: bytes) -> st.SearchStrategy[bytes]:
    """A frame with some bytes changed, its length among them."""
    changes = st.lists(st.tuples(st.integers(0, len(original) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    return changes.map(lambda made: _changed(original, made))


def _changed(original: bytes, changes: list[tuple[int, int]]) -> bytes:
    body = bytearray(original)
    for at, value in changes:
        body[at] = value
    return bytes(body)


pieces = st.one_of(
    st.binary(max_size=64),
    st.binary(max_size=64).map(frame),
    st.just(GOOD),
    st.just(CANCEL),
    spoilt(GOOD),
    spoilt(CANCEL),
    st.integers(0, len(GOOD)).map(lambda size: GOOD[:size]),
)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=st.lists(pieces, min_size=1, max_size=6), end=st.sampled_from(["close", "half", "reset", "stay"]))
def test_no_input_ends_the_runner_or_stalls_a_neighbour(
    runner: Running, wire: Wire, stream: list[bytes], end: str
) -> None:
    hostile = Wire(runner.port)
    try:
        hostile.socket.sendall(b"".join(stream))
        if end == "half":
            hostile.socket.shutdown(socket.SHUT_WR)
        elif end == "reset":
            hostile.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    except OSError:
        # It has closed the connection already, as it should.
        pass
    if end != "stay":
        hostile.close()
    began = time.monotonic()
    assert wire.ask("echo", {"n": 2})["result"] == {"n": 2}
    assert time.monotonic() - began < PATIENCE
    hostile.close()
    assert runner.process.poll() is None, runner.log[-3000:]


def test_hundreds_of_silent_connections_leave_room_for_an_orchestrator(runner: Running, wire: Wire) -> None:
    assert wire.ask("echo", {"n": 1})["result"] == {"n": 1}
    # More than there is room for: those that have said nothing make room.
    held = [socket.create_connection(("127.0.0.1", runner.port)) for _ in range(300)]
    try:
        for one in held[-100:]:
            one.sendall(b"\0\0")
        assert wire.ask("echo", {"n": 1})["result"] == {"n": 1}
        with Wire(runner.port) as another:
            assert another.ask("echo", {"n": 1})["result"] == {"n": 1}
    finally:
        for one in held:
            one.close()


def test_half_frames_of_many_fill_no_memory(start_runner: StartRunner) -> None:
    runner = start_runner()
    wire = runner.connect()
    assert wire.ask("echo", {"n": 1})["result"] == {"n": 1}
    half = (16 << 20).to_bytes(4, "big") + b"x" * (15 << 20)
    held = [socket.create_connection(("127.0.0.1", runner.port)) for _ in range(24)]
    try:
        for one in held:
            try:
                one.sendall(half)
            except OSError:
                # It was let go already.
                pass
        assert wire.ask("echo", {"n": 1})["result"] == {"n": 1}
        resident = int(Path(f"/proc/{runner.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        # 360 MiB were sent.
        assert resident < 330 * 2**20, resident
    finally:
        for one in held:
            one.close()


def test_ten_thousand_cancels_of_nothing_are_forgotten(runner: Running, wire: Wire) -> None:
    flood = b"".join(frame(cancel(request("echo"))) for _ in range(10_000))
    with Wire(runner.port) as other:
        other.socket.sendall(flood)
        assert wire.ask("echo", {"n": 1})["result"] == {"n": 1}
