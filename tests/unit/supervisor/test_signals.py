"""Counting wishes to stop."""

from __future__ import annotations

import signal

import pytest

from rrqmp.supervisor import signals
from rrqmp.supervisor.signals import Signals


@pytest.fixture
def wishes() -> list[int]:
    return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    return now


def listening(wishes: list[int]) -> Signals:
    return Signals(wishes.append, lambda: None)


def test_copy_within_half_a_second_is_the_same_wish(wishes: list[int], clock: list[float]) -> None:
    heard = listening(wishes)
    heard.wish(signal.SIGINT)
    clock[0] += 0.4
    heard.wish(signal.SIGINT)
    assert wishes == [1]


def test_same_signal_after_a_while_is_a_second_wish(wishes: list[int], clock: list[float]) -> None:
    heard = listening(wishes)
    heard.wish(signal.SIGINT)
    clock[0] += 0.6
    heard.wish(signal.SIGINT)
    assert wishes == [1, 2]


def test_key_held_down_is_a_second_wish_after_half_a_second(wishes: list[int], clock: list[float]) -> None:
    heard = listening(wishes)
    for _ in range(3):
        heard.wish(signal.SIGINT)
        clock[0] += 0.3
    assert wishes == [1, 2]


def test_another_signal_is_a_second_wish_at_once(wishes: list[int], clock: list[float]) -> None:
    heard = listening(wishes)
    heard.wish(signal.SIGTERM)
    heard.wish(signal.SIGINT)
    assert wishes == [1, 2]
