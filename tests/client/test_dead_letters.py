"""Dead letters: searched, and many of them revived or discarded."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from rrqmp.client.dead_letters import DeadLetterFilter
from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.queue import ActivityQueue
from rrqmp.errors import ConfigurationError
from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cycle import Settlement
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import load_script
from tests.client.conftest import RULES, FakeWorker
from tests.store.cutting_proxy import Cut, CuttingProxy

FAILED = Attempt(kind=AttemptKind.FAILED, attempt=1, error="ValueError", message="no such file: A.png")
TIMED_OUT = Attempt(kind=AttemptKind.TIMED_OUT, attempt=1, stack="in resize (thumbs.py:17)")


@pytest.fixture
def queue(executor: ActivityExecutor) -> ActivityQueue:
    return executor.activity_queue


def bury(executor: ActivityExecutor, worker: FakeWorker, activity_type: str, attempt: Attempt) -> str:
    """One dead letter."""
    future = executor.execute(activity_type)
    assert worker.end_next(activity_type, Ending.DEAD, attempt).activity_id == future.activity_id
    return future.activity_id


def bury_many(executor: ActivityExecutor, worker: FakeWorker, activity_type: str, count: int) -> list[str]:
    """Many of them, in order of death."""
    ids = [future.activity_id for future in executor.execute_many(activity_type, range(count))]
    left = count
    while left:
        claims = worker.claim(activity_type, want=50)
        body = encode_outcome(FAILED)
        worker.settle(*(Settlement(claim.activity_id, token, Ending.DEAD, body) for claim, token in claims))
        left -= len(claims)
    return ids


def found(queue: ActivityQueue, limit: int = 100, **wanted: object) -> list[str]:
    page = queue.list_dead_letters(limit=limit, **wanted)  # type: ignore[arg-type]
    ids = [row.activity_id for row in page.activities]
    while page.cursor:
        page = queue.list_dead_letters(limit=limit, cursor=page.cursor, **wanted)  # type: ignore[arg-type]
        ids += [row.activity_id for row in page.activities]
    return ids


def test_dead_letters_are_listed_newest_first_with_what_they_died_of(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    made = [bury(executor, worker, "t", FAILED) for _ in range(7)]
    for limit in (1, 3, 6, 7, 100):
        assert found(queue, limit) == made[::-1]
    [row] = queue.list_dead_letters(limit=1).activities
    assert row.last == FAILED
    assert (row.status, row.activity_type) == (ActivityStatus.DEAD_LETTER, "t")


def test_search_is_by_type_kind_text_and_time_of_death(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    failed = bury(executor, worker, "t", FAILED)
    slow = bury(executor, worker, "u", TIMED_OUT)
    store.command("HSET", keys.activity(slow), "err", "poisoned")
    for at, activity_id in ((1000, failed), (2000, slow)):
        store.command("ZADD", keys.single("dead"), at * 1_000_000, activity_id)
    assert found(queue, activity_type="t") == found(queue, kind="failed") == [failed]
    assert found(queue, kind="timed_out") == found(queue, kind="poisoned") == [slow]
    assert found(queue, text="SUCH FILE: a.png") == found(queue, text="valueerror") == [failed]
    assert found(queue, text="thumbs.py:17") == [slow]
    assert found(queue, text="thumbs", activity_type="t") == []
    assert found(queue, since=1000, until=2000) == [failed]
    assert found(queue, since=datetime.fromtimestamp(1000.5, UTC)) == found(queue, since=2000, until=2001) == [slow]
    assert found(queue, until=1000) == []


@pytest.mark.parametrize(
    ("wanted", "remedy"),
    [
        ({"kind": "timeout"}, "did you mean 'timed_out'"),
        ({"since": datetime(2026, 1, 1)}, "give it a time zone"),
        ({"until": "yesterday"}, "give seconds since 1970"),
        ({"text": 3}, "give a string"),
        ({"activity_type": ""}, "empty string"),
    ],
)
def test_search_that_cannot_be_meant_is_refused(queue: ActivityQueue, wanted: DeadLetterFilter, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        queue.list_dead_letters(**wanted)
    with pytest.raises(ConfigurationError, match=remedy):
        queue.discard_all(**wanted)


def test_misspelt_filter_revives_nothing(executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker) -> None:
    bury(executor, worker, "t", FAILED)
    with pytest.raises(TypeError, match="did you mean 'activity_type'"):
        queue.revive_all(activity_typ="u")  # type: ignore[call-arg]
    assert queue.get_stats().dead_letter_count == 1


def test_all_of_a_type_are_revived_and_the_others_stay(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    of_type = bury_many(executor, worker, "t", 230)
    others = bury_many(executor, worker, "u", 30)
    told: list[tuple[int, int]] = []
    assert queue.revive_all(activity_type="t", on_progress=lambda done, total: told.append((done, total))) == 230
    assert told[-1] == (260, 260)
    assert found(queue) == others[::-1]
    assert [claim.activity_id for claim, _ in worker.claim("t", want=50)] == of_type[:50]
    assert queue.revive_all() == 30
    assert queue.get_stats().dead_letter_count == 0


def test_discarding_takes_only_what_fits(executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker) -> None:
    slow = bury(executor, worker, "t", TIMED_OUT)
    failed = bury(executor, worker, "t", FAILED)
    assert queue.discard_all(kind="timed_out", text="resize") == 1
    assert found(queue) == [failed]
    assert queue.discard_all() == 1
    assert slow not in found(queue)


def test_what_dies_again_meanwhile_is_not_revived_for_ever(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    bury_many(executor, worker, "t", 1050)

    def fail_again(done: int, total: int) -> None:
        for _ in range(20):
            worker.end_next("t", Ending.DEAD, FAILED)

    assert queue.revive_all(on_progress=fail_again) == 1050
    assert queue.get_stats().dead_letter_count == 40


def test_revived_stand_behind_live_work_of_their_priority(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    dead = bury_many(executor, worker, "t", 3)
    live = [executor.execute("t", n).activity_id for n in range(3)]
    urgent = executor.execute("t", priority=ActivityPriority.HIGH).activity_id
    assert queue.revive_all() == 3
    assert [claim.activity_id for claim, _ in worker.claim("t", want=50)] == [urgent, *live, *dead]


def test_interrupted_revival_loses_nothing_and_may_be_repeated(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    bury_many(executor, worker, "t", 1100)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.revive_all(on_progress=interrupt)
    counts = queue.get_stats()
    assert (counts.pending_count, counts.dead_letter_count) == (1000, 100)
    assert queue.revive_all() == 100


def test_time_of_death_bounds_what_is_revived(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    made = bury_many(executor, worker, "t", 3)
    for at, activity_id in enumerate(made, 1):
        store.command("ZADD", keys.single("dead"), at * 1_000_000, activity_id)
    assert queue.revive_all(since=2, until=3) == 1
    assert found(queue) == [made[2], made[0]]
    assert queue.revive_all(until=time.time()) == 2


def test_two_operators_at_once_revive_each_one_once(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    bury_many(executor, worker, "t", 1000)
    with ThreadPoolExecutor(4) as pool:
        revived = list(pool.map(lambda _: queue.revive_all(), range(4)))
    assert sum(revived) == 1000
    counts = queue.get_stats()
    assert (counts.pending_count, counts.dead_letter_count) == (1000, 0)


@pytest.mark.parametrize("cut", list(Cut))
def test_revival_goes_on_over_a_broken_connection(
    executor: ActivityExecutor,
    queue: ActivityQueue,
    worker: FakeWorker,
    server: EmbeddedServer,
    keys: QueueKeys,
    tmp_path_factory: pytest.TempPathFactory,
    cut: Cut,
) -> None:
    bury_many(executor, worker, "t", 350)
    with (
        CuttingProxy(tmp_path_factory.mktemp("p") / "s", server.place.socket) as proxy,
        BlockingConnection(proxy.url) as connection,
    ):
        distant = ActivityQueue(connection.run, keys, RULES)
        distant.revive("unknown")
        proxy.arm(load_script("revive").sha.encode(), cut, times=2)
        revived = distant.revive_all()
        assert proxy.cuts == 2
    # What was revived by a call whose answer was lost is not dead any more when it is asked again.
    assert revived == (350 if cut is Cut.BEFORE else 250)
    assert queue.get_stats().pending_count == 350
