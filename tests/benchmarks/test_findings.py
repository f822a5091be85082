"""How figures are judged and shown."""

from __future__ import annotations

import pytest

from benchmarks.all import table
from benchmarks.cpu import rate_of, share_inside
from benchmarks.findings import Finding, percentile, short


@pytest.mark.parametrize(
    ("at", "figure", "reached"),
    [("least", 2.0, True), ("least", 1.9, False), ("most", 2.0, True), ("most", 2.1, False)],
)
def test_goal_is_reached_on_its_own_side(at: str, figure: float, reached: bool) -> None:
    assert Finding(name="x", figure=figure, unit="x", goal=2, at=at).reached is reached  # type: ignore[arg-type]


def test_figure_without_goal_is_neither_reached_nor_missed() -> None:
    assert Finding(name="x", figure=1, unit="ms").reached is None


def test_percentile_of_few_is_the_greatest() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile(list(range(100)), 0.5) == 50


def test_numbers_are_short() -> None:
    assert [short(number) for number in (0.012345, 3.14159, 123456.7)] == ["0.0123", "3.14", "123,457"]


def test_table_names_what_was_not_reached() -> None:
    row = table([("cpu", Finding(name="share", figure=90, unit="%", goal=97, at="least"))])[-1]
    assert row == "| cpu | share | 90 % | >= 97 % | **no** |"


def test_rate_of_workers_adds_up_what_each_did_between_its_first_and_last_start() -> None:
    runs = [(1, 0, 0), (1, 10**9, 0), (1, 2 * 10**9, 0), (2, 0, 0), (2, 10**9, 0)]
    assert rate_of(runs) == pytest.approx(2.0)
    assert rate_of([(1, 0, 0)]) == 0


def test_time_inside_handlers_counts_the_gaps_of_each_worker() -> None:
    assert share_inside([(1, 0, 50), (1, 60, 100), (2, 0, 100)]) == pytest.approx(0.95)
