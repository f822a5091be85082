"""Fifty clients in two processes race for one idempotency key, once in each mode."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from rrqmp.model.options import OnDuplicate
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys

pytestmark = pytest.mark.once

PROCESSES, THREADS = 2, 25
# Each thread is a client of its own; the first line of a process says that all are connected, an answer lets it go on.
CLIENT = f"""
import json, sys, threading
from rrqmp import ActivityExecutor, DuplicateActivity, OnDuplicate
url, queue = sys.argv[1:]
executors = [ActivityExecutor.connect(url, queue) for _ in range({THREADS})]
for executor in executors:
    executor.activity_queue.get_stats()
for rule in OnDuplicate:
    print("ready", flush=True)
    sys.stdin.readline()
    answers, start = [], threading.Barrier({THREADS})
    def submit(executor):
        start.wait(20)
        try:
            future = executor.execute(rule.value, 1, key="order-1", on_duplicate=rule)
            answers.append(["new" if future.is_new else "old", future.activity_id])
        except DuplicateActivity as error:
            answers.append([type(error).__name__, error.activity_id])
    threads = [threading.Thread(target=submit, args=(one,)) for one in executors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(answers), flush=True)
"""
# What those are told who came too late.
LATE = {
    OnDuplicate.RETURN_EXISTING: "old",
    OnDuplicate.ALLOW_REUSE_ON_FAILURE: "IdempotencyConflict",
    OnDuplicate.NO_REUSE: "DuplicateActivity",
}


def test_fifty_clients_on_one_key_give_one_activity(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys
) -> None:
    command = (sys.executable, "-c", CLIENT, server.url, keys.queue)
    clients = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    told: dict[OnDuplicate, list[tuple[str, str]]] = {}
    for rule in OnDuplicate:
        assert [_line(client) for client in clients] == ["ready"] * PROCESSES
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("\n")
            client.stdin.flush()
        told[rule] = [(kind, owner) for client in clients for kind, owner in json.loads(_line(client))]
    for client in clients:
        client.communicate()
        assert client.returncode == 0
    for rule, late in LATE.items():
        kinds, owners = Counter(kind for kind, _ in told[rule]), {owner for _, owner in told[rule]}
        assert kinds == {"new": 1, late: PROCESSES * THREADS - 1}
        assert len(owners) == 1
    # Who allows reuse gets one of its own, and the key goes to the last.
    assert Counter(kind for kind, _ in told[OnDuplicate.ALLOW_REUSE]) == {"new": PROCESSES * THREADS}
    assert store.run(stats(keys)).by_type == {rule.value: 1 for rule in LATE} | {"allow_reuse": PROCESSES * THREADS}


def _line(client: subprocess.Popen[str]) -> str:
    assert client.stdout is not None
    return client.stdout.readline().strip()
