"""How many activities a worker claims at once."""

from __future__ import annotations

from rrqmp.worker.life import Pace

MS = 1_000_000


def pace(*runs_ns: int, limit: int = 50) -> Pace:
    made = Pace(limit)
    for run_ns in runs_ns:
        made.saw(run_ns)
    return made


def test_first_claim_is_for_one() -> None:
    assert pace().want() == 1


def test_activities_of_a_millisecond_and_more_are_claimed_singly() -> None:
    assert pace(*[2 * MS] * 20).want() == 1


def test_record_that_could_not_be_run_tells_nothing() -> None:
    assert pace(0).want() == 1
    assert pace(*[2 * MS] * 20, 0).want() == 1


def test_short_ones_fill_two_milliseconds() -> None:
    assert pace(*[100_000] * 50).want() == 20


def test_shortest_are_claimed_up_to_the_limit() -> None:
    assert pace(*[1000] * 100).want() == 50
    assert pace(*[1000] * 100, limit=7).want() == 7
    assert pace(*[1000] * 100, limit=1).want() == 1


def test_one_long_one_ends_the_batches_at_once_and_short_ones_bring_them_back_by_and_by() -> None:
    made = pace(*[1000] * 100, 50 * MS)
    assert made.want() == 1
    wants = []
    for _ in range(60):
        made.saw(1000)
        wants.append(made.want())
    assert wants[0] == 1
    assert wants == sorted(wants)
    assert wants[-1] > 10
