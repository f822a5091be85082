"""How a worker sleeps on its queues, and what it holds when it wakes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from rrqmp.errors import StoreUnavailable
from rrqmp.model.status import ActivityStatus
from rrqmp.settings.table import Settings
from rrqmp.shared_state.messages import WorkerConfig
from rrqmp.store.calls.cycle import SlotIdent
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.gates import limit
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.show import show
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.supervisor.preparation import worker_config
from rrqmp.worker.queue_source import NOTHING_ENDED, QueueSource, Woken

NODE = "n@0000000000000001"
RULES = StoreRules(lease=1000)
TYPES = ("t", "u")


def config(url: str, *queues: str, poll_seconds: float) -> WorkerConfig:
    settings = Settings(redis_url=url, queues=dict.fromkeys(queues, 1), schedule_poll_interval=poll_seconds)
    return worker_config(settings, RULES, TYPES)


class Sleeper:
    """A worker's view of its queues, with the supervisor's end of its channel."""

    def __init__(self, url: str, *queues: str, poll_seconds: float = 5.0) -> None:
        self.connection = BlockingConnection(url).open()
        given = config(url, *queues, poll_seconds=poll_seconds)
        self.source = QueueSource(self.connection, given, RULES, TYPES, SlotIdent(NODE, 0, 1))
        self.channel, self.order = os.pipe()

    def wait(self) -> Woken:
        return self.source.wait(self.channel, 1, lambda: None)

    def close(self) -> None:
        self.connection.close()
        os.close(self.channel)
        os.close(self.order)


@pytest.fixture
def sleeper(server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys) -> Iterator[Sleeper]:
    store.run(heartbeat(keys, RULES, NODE, joining=True, slots=[0]))
    made = Sleeper(server.url, keys.queue)
    yield made
    made.close()


def submit(store: BlockingConnection, keys: QueueKeys, *ids: str, activity_type: str = "t") -> None:
    store.run(enqueue(keys, RULES, [Submission(one, activity_type, b"{}\n1") for one in ids]))


def status(store: BlockingConnection, keys: QueueKeys, activity_id: str) -> ActivityStatus:
    found = store.run(show(keys, activity_id))
    assert found is not None
    return found.status


def test_worker_wakes_with_the_activity_claimed_already(
    sleeper: Sleeper, store: BlockingConnection, keys: QueueKeys
) -> None:
    assert sleeper.source.claim(NOTHING_ENDED, 1) is None
    submitter = threading.Timer(0.05, submit, (store, keys, "a"))
    submitter.start()
    assert sleeper.wait() is Woken.WORK
    submitter.join()
    assert status(store, keys, "a") is ActivityStatus.RUNNING
    batch = sleeper.source.claim(NOTHING_ENDED, 1)
    assert batch is not None
    assert [claim.activity_id for claim in batch.claims] == ["a"]
    shown = store.run(show(keys, "a"))
    assert shown is not None
    assert shown.owner == batch.token


def test_worker_that_took_the_token_of_one_type_and_the_work_of_another_wakes_the_next(
    sleeper: Sleeper, store: BlockingConnection, keys: QueueKeys
) -> None:
    submit(store, keys, "a")
    submit(store, keys, "b", activity_type="u")
    store.command("DEL", keys.wake("t"))
    assert sleeper.wait() is Woken.WORK
    batch = sleeper.source.claim(NOTHING_ENDED, 1)
    assert batch is not None
    assert [claim.activity_id for claim in batch.claims] == ["a"]
    assert store.command("LLEN", keys.wake("u")) == 1


def test_wait_without_work_ends_after_the_poll_and_asks_only_once(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys
) -> None:
    store.run(heartbeat(keys, RULES, NODE, joining=True, slots=[0]))
    sleeper = Sleeper(server.url, keys.queue, poll_seconds=0.05)
    assert sleeper.wait() is Woken.WORK
    store.command("CONFIG", "RESETSTAT")
    assert sleeper.source.claim(NOTHING_ENDED, 1) is None
    assert b"cmdstat_evalsha" not in store.command("INFO", "commandstats")
    assert sleeper.source.claim(NOTHING_ENDED, 1) is None
    assert b"cmdstat_evalsha" in store.command("INFO", "commandstats")
    sleeper.close()


def test_order_ends_a_wait_for_nothing(sleeper: Sleeper) -> None:
    os.write(sleeper.order, b"x")
    assert sleeper.wait() is Woken.ORDER


def test_claim_whose_answer_was_cut_off_goes_back_with_the_next_call(
    sleeper: Sleeper, store: BlockingConnection, keys: QueueKeys
) -> None:
    """The wait had claimed, and nobody read it: the slot's next statement does not name it."""
    source, connection = sleeper.source, sleeper.connection
    call = source._call(0, 1, (), TYPES)
    submit(store, keys, "a")
    connection.begin_pop([keys.wake("t")], 5, call)
    connection.follow()
    assert connection.end_pop() == keys.wake("t")
    assert [claim.activity_id for claim in connection.end_call(call).claims] == ["a"]
    store.run(limit(keys, "t", 0))
    connection.close()
    assert source.claim(NOTHING_ENDED, 1) is None
    assert status(store, keys, "a") is ActivityStatus.PENDING


def test_wait_that_is_cut_off_says_so_and_the_next_claim_connects_again(
    sleeper: Sleeper, store: BlockingConnection, keys: QueueKeys
) -> None:
    number = sleeper.connection.command("CLIENT", "ID")
    killer = threading.Timer(0.05, store.command, ("CLIENT", "KILL", "ID", number))
    killer.start()
    with pytest.raises(StoreUnavailable):
        sleeper.wait()
    killer.join()
    submit(store, keys, "a")
    batch = sleeper.source.claim(NOTHING_ENDED, 1)
    assert batch is not None
    assert [claim.activity_id for claim in batch.claims] == ["a"]


def test_script_that_the_server_has_forgotten_is_sent_again_at_the_wake_up(
    sleeper: Sleeper, store: BlockingConnection, keys: QueueKeys
) -> None:
    submit(store, keys, "a")
    store.command("SCRIPT", "FLUSH")
    assert sleeper.wait() is Woken.WORK
    batch = sleeper.source.claim(NOTHING_ENDED, 1)
    assert batch is not None
    assert [claim.activity_id for claim in batch.claims] == ["a"]


def test_worker_of_several_queues_asks_them_in_their_order_after_a_wake(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys
) -> None:
    first = QueueKeys(keys.queue + "-first")
    for one in (keys, first):
        store.run(heartbeat(one, RULES, NODE, joining=True, slots=[0]))
    sleeper = Sleeper(server.url, first.queue, keys.queue)
    submit(store, keys, "a")
    submit(store, first, "b")
    assert sleeper.wait() is Woken.WORK
    batch = sleeper.source.claim(NOTHING_ENDED, 1)
    assert batch is not None
    assert [claim.activity_id for claim in batch.claims] == ["b"]
    sleeper.close()
