"""Reading what a dead worker has dumped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rrqmp.shared_state.messages import PACKET_MOST
from rrqmp.supervisor.autopsy import MemoryKills, read_dump


@pytest.fixture
def dump() -> Iterator[int]:
    descriptor = os.memfd_create("test")
    yield descriptor
    os.close(descriptor)


def test_short_dump_is_read_whole(dump: int) -> None:
    os.write(dump, b"Stack\n  line\n")
    assert read_dump(dump) == "Stack\n  line\n"


def test_dump_is_read_from_where_the_death_began(dump: int) -> None:
    os.write(dump, b"looked at\n")
    first = os.fstat(dump).st_size
    os.write(dump, b"died of\n")
    assert read_dump(dump, first) == "died of\n"
    assert read_dump(dump, first + 1000) == ""


def test_long_dump_keeps_both_ends_and_whole_lines(dump: int) -> None:
    lines = [f"line {number:06}" for number in range(20_000)]
    os.write(dump, "\n".join(lines).encode())
    read = read_dump(dump).splitlines()
    assert (read[0], read[-1]) == (lines[0], lines[-1])
    assert read.count("[...]") == 1
    assert set(read) - {"[...]"} <= set(lines)


@pytest.mark.parametrize("byte", [b"\x01", b"\x1b", b"\xff", b'"', b"\\"])
def test_handler_that_wrote_into_the_dump_cannot_make_the_report_too_long_to_hand_on(dump: int, byte: bytes) -> None:
    os.write(dump, (byte * 100 + b"\n") * 3000)
    read = read_dump(dump)
    assert read.isascii()
    assert read.replace("\n", "").isprintable()
    assert len(msgspec.json.encode(read)) < PACKET_MOST - 64 * 1024


def test_kernels_kills_are_seen_once(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("pgfault 5\noom_kill 3\n")
    kills = MemoryKills(counters)
    assert not kills.risen()
    counters.write_text("pgfault 6\noom_kill 4\n")
    assert kills.risen()
    assert not kills.risen()
