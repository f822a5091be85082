"""A log line never waits for whoever reads it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from rrqmp.supervisor import log
from rrqmp.supervisor.log import NonBlockingHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def line(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, "levelno": logging.INFO})


def read_all(reader: int) -> str:
    os.set_blocking(reader, False)
    found = b""
    while True:
        try:
            piece = os.read(reader, 1 << 20)
        except BlockingIOError:
            return found.decode()
        if not piece:
            return found.decode()
        found += piece


def test_line_is_written_at_once(pipe: tuple[int, int]) -> None:
    handler = NonBlockingHandler(pipe[1])
    handler.emit(line("one"))
    assert read_all(pipe[0]) == "one\n"


def test_full_pipe_keeps_lines_and_delivers_them_in_order_later(pipe: tuple[int, int]) -> None:
    handler = NonBlockingHandler(pipe[1])
    lines = [f"{number} {'x' * 1000}" for number in range(500)]
    for text in lines:
        handler.emit(line(text))
    found = ""
    while len(found) < sum(len(text) + 1 for text in lines):
        found += read_all(pipe[0])
        handler.push()
    assert found.splitlines() == lines


def test_flag_that_makes_writes_non_blocking_is_not_set_on_a_description_of_others(pipe: tuple[int, int]) -> None:
    NonBlockingHandler(pipe[1]).emit(line("one"))
    assert os.get_blocking(pipe[1])


def test_lines_beyond_the_bound_are_dropped_and_counted(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_LINES_MOST", 10)
    handler = NonBlockingHandler(pipe[1])
    for number in range(200):
        handler.emit(line(f"{number} {'x' * 4000}"))
    found = ""
    for _ in range(100):
        found += read_all(pipe[0])
        handler.push()
    dropped = 200 - sum(text.endswith("x") for text in found.splitlines())
    assert dropped > 100
    assert f"{dropped} lines of log were dropped" in found


def test_reader_that_has_gone_costs_the_lines_and_nothing_else() -> None:
    reader, writer = os.pipe()
    handler = NonBlockingHandler(writer)
    os.close(reader)
    handler.emit(line("nobody hears this"))
    handler.emit(line("nor this"))
    os.close(writer)
