"""`rrqmp stats`, `show` and `check` against a real server, with a queue filled by the store's own calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.model.spec import Spec, join_spec
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.calls.cycle import Settlement, SlotIdent, cycle
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

pytestmark = pytest.mark.once

ID = "0198f3a0-0000-7000-8000-000000000001"


@pytest.fixture
def waiting(store: BlockingConnection, keys: QueueKeys) -> str:
    """One activity that nobody has claimed."""
    spec = join_spec(Spec(timeout=20.0, metadata={"from": "test"}), b'{"path": "a.png"}')
    store.run(enqueue(keys, StoreRules(), [Submission(ID, "thumbnail", spec)]))
    return ID


def where(server: EmbeddedServer, keys: QueueKeys) -> list[str]:
    return ["--redis-url", server.url, "--queue", keys.queue]


def test_stats_counts_what_waits(rrqmp: Any, server: EmbeddedServer, keys: QueueKeys, waiting: str) -> None:
    ran = rrqmp("stats", *where(server, keys), "--json")
    assert ran.returncode == 0, ran.stderr
    counts = json.loads(ran.stdout)[keys.queue]
    assert (counts["pending_count"], counts["running_count"], counts["by_type"]) == (1, 0, {"thumbnail": 1})
    assert counts["by_priority"] == {"normal": 1}


def test_stats_draws_a_line_a_queue(rrqmp: Any, server: EmbeddedServer, keys: QueueKeys, waiting: str) -> None:
    ran = rrqmp("stats", *where(server, keys), "--queue", "empty")
    assert "thumbnail        1        0" in ran.stdout
    assert "empty" in ran.stdout


def test_show_prints_what_the_submitter_asked_for(
    rrqmp: Any, server: EmbeddedServer, keys: QueueKeys, waiting: str
) -> None:
    ran = rrqmp("show", waiting, *where(server, keys))
    assert ran.returncode == 0, ran.stderr
    assert f"thumbnail {waiting}: pending" in ran.stdout
    assert "timeout    20.0  (submitter)" in ran.stdout
    assert 'payload    {"path": "a.png"}' in ran.stdout


def test_show_as_json_holds_payload_and_status(
    rrqmp: Any, server: EmbeddedServer, keys: QueueKeys, waiting: str
) -> None:
    shown = json.loads(rrqmp("show", waiting, *where(server, keys), "--json").stdout)
    assert shown["payload"] == {"path": "a.png"}
    assert shown["status"] == "pending"
    assert set(shown) == set(ActivityRecord.__dataclass_fields__)


@pytest.fixture
def killed(store: BlockingConnection, keys: QueueKeys, waiting: str) -> str:
    """The same activity after its only attempt was killed."""
    rules, ident = StoreRules(), SlotIdent("a@1", 0, 1)
    store.run(heartbeat(keys, rules, ident.node, joining=True, slots=[0]))
    claimed = store.run(cycle(keys, rules, ident, seq=1, want=1, types=["thumbnail"]))
    assert [claim.activity_id for claim in claimed.claims] == [waiting]
    attempt = Attempt(
        kind=AttemptKind.TIMED_OUT,
        attempt=1,
        signal="SIGRTMAX-3",
        run_seconds=20.0,
        peak_bytes=3 * 2**20,
        where="thumbs.py:17 handle",
        stack='Current thread:\n  File "thumbs.py", line 17 in handle',
    )
    settlement = Settlement(waiting, ident.token(1), Ending.DEAD, encode_outcome(attempt))
    store.run(cycle(keys, rules, ident, seq=2, want=0, settlements=[settlement]))
    return waiting


def test_show_prints_the_report_of_each_attempt(
    rrqmp: Any, server: EmbeddedServer, keys: QueueKeys, killed: str
) -> None:
    told = rrqmp("show", killed, *where(server, keys)).stdout
    assert f"thumbnail {killed}: dead_letter" in told
    assert "attempt 1: timed_out by SIGRTMAX-3" in told
    assert "ran      20.000 s" in told
    assert "peak     3.0 MiB" in told
    assert "where    thumbs.py:17 handle" in told
    assert '      File "thumbs.py", line 17 in handle' in told


def test_show_of_an_unknown_id_fails_and_says_where_it_looked(
    rrqmp: Any, server: EmbeddedServer, keys: QueueKeys
) -> None:
    ran = rrqmp("show", "no-such-id", *where(server, keys))
    assert ran.returncode == ExitCode.BUG
    assert f"no activity no-such-id in {keys.queue}" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [("stats",), ("show", ID)])
def test_server_that_is_down_has_its_own_exit_code(rrqmp: Any, tmp_path: Any, arguments: tuple[str, ...]) -> None:
    ran = rrqmp(*arguments, "--redis-url", f"unix://{tmp_path}/none.sock")
    assert ran.returncode == ExitCode.REDIS_UNREACHABLE
    assert "none.sock" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_url_that_is_wrong_is_a_configuration_error(rrqmp: Any) -> None:
    ran = rrqmp("stats", "--redis-url", "redis://host:port")
    assert ran.returncode == ExitCode.CONFIGURATION
    assert "redis://host:port" in ran.stderr
    assert "Traceback" not in ran.stderr
