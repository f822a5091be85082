"""What /proc says of a process, also of one that has gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rrqmp.kernel import proc
from rrqmp.kernel.descriptors import move_high
from rrqmp.kernel.pidfd import open_pidfd, send_signal
from rrqmp.kernel.signals import DUMP_AND_DIE, signal_name

GONE = 2**22 + 1


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = subprocess.Popen(command, env=os.environ | {"A_MARK": "x y"})
    yield process
    process.kill()
    process.wait()


def test_process_that_has_gone_is_answered_with_nothing() -> None:
    assert proc.start_time(GONE) == 0
    assert proc.resident_bytes(GONE) == 0
    assert proc.children(GONE) == []
    assert proc.descendants(GONE) == []
    assert proc.thread_count(GONE) == 0
    assert proc.command_line(GONE) == ""
    assert proc.wait_channel(GONE) == ""
    assert proc.signal_state(GONE) is None
    assert proc.descriptor_target(GONE, 0) == ""


def test_child_is_found_with_its_start_time(sleeper: subprocess.Popen[bytes]) -> None:
    assert sleeper.pid in proc.children(os.getpid())
    assert sleeper.pid in proc.descendants(os.getpid())
    assert proc.start_time(sleeper.pid) >= proc.start_time(os.getpid()) > 0


def test_process_is_found_by_its_environment(sleeper: subprocess.Popen[bytes]) -> None:
    # Between fork and exec the environment is still the parent's.
    while not proc.command_line(sleeper.pid).endswith("time.sleep(60)"):
        pass
    assert proc.pids_with_environment("A_MARK", "x y") == [sleeper.pid]
    assert proc.pids_with_environment("A_MARK", "x") == []


def test_caught_and_blocked_signals_are_told_apart() -> None:
    former = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        state = proc.signal_state(os.getpid())
        assert state is not None
        assert state.would_catch(signal.SIGUSR2)
        assert not state.would_catch(signal.SIGURG)
    finally:
        signal.signal(signal.SIGUSR2, former)


def test_signal_to_a_dead_process_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    pidfd = open_pidfd(process.pid)
    process.wait()
    assert not send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    with pytest.raises(ProcessLookupError):
        open_pidfd(GONE)


def test_signals_have_names() -> None:
    assert signal_name(signal.SIGSEGV) == "SIGSEGV"
    assert signal_name(DUMP_AND_DIE) == "SIGRTMAX-3"


def test_descriptor_is_moved_out_of_the_way_and_closed_on_exec() -> None:
    reader, writer = os.pipe()
    moved = move_high(reader)
    assert moved >= 512
    assert not os.get_inheritable(moved)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)
    os.close(moved)
    os.close(writer)


def test_parent_is_told_and_is_none_for_who_is_gone() -> None:
    assert proc.parent(os.getpid()) == os.getppid()
    assert proc.parent(2**22 + 1) == 0
