"""`rrqmp execute` against a real server that no worker serves: what is stored, and what mistakes are answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys


@pytest.fixture
def where(server: EmbeddedServer, keys: QueueKeys) -> list[str]:
    return ["--redis-url", server.url, "--queue", keys.queue]


def test_id_is_printed_and_the_record_holds_what_was_asked_for(rrqmp: Any, where: list[str]) -> None:
    asked = ["--timeout", "5m", "--max-retries", "0", "--priority", "high", "--delay", "1h", "--key", "order-1"]
    ran = rrqmp("execute", "thumbnail", '{"path": "a.png"}', *asked, *where)
    assert ran.returncode == 0, ran.stderr
    record = json.loads(rrqmp("show", ran.stdout.strip(), "--json", *where).stdout)
    assert (record["activity_type"], record["payload"], record["status"]) == (
        "thumbnail",
        {"path": "a.png"},
        "scheduled",
    )
    assert record["priority"] == "high"
    spec = record["spec"]
    assert (spec["timeout"], spec["max_retries"], spec["key"]) == (300.0, 0, "order-1")


def test_key_that_is_taken_returns_the_same_id(rrqmp: Any, where: list[str]) -> None:
    first, second = (rrqmp("execute", "thumbnail", "--key", "order-2", *where).stdout for _ in range(2))
    assert first == second != ""


def test_payload_is_read_from_stdin(rrqmp: Any, where: list[str]) -> None:
    ran = rrqmp("execute", "thumbnail", "-", *where, input="[1, 2]")
    assert json.loads(rrqmp("show", ran.stdout.strip(), "--json", *where).stdout)["payload"] == [1, 2]


def test_wait_that_is_given_up_says_that_the_activity_goes_on(rrqmp: Any, where: list[str]) -> None:
    ran = rrqmp("execute", "thumbnail", "--wait", "--wait-timeout", "50ms", *where)
    assert ran.returncode == ExitCode.BUG
    assert "it goes on" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["thumbnail", "{path: a}"], ExitCode.USAGE, "the payload is no JSON"),
        (["thumbnail", "NaN"], ExitCode.BUG, "payload"),
        (["thumbnail", "--priority", "urgent"], ExitCode.CONFIGURATION, "'urgent'"),
        (["thumbnail", "--timeout", "0"], ExitCode.CONFIGURATION, "--timeout"),
        (["thumbnail", "--delay", "soon"], ExitCode.CONFIGURATION, "--delay"),
        (["thumb{nail}"], ExitCode.CONFIGURATION, "braces"),
        ([""], ExitCode.CONFIGURATION, "at least one character"),
        (["thumbnail", "--max-retries", "many"], ExitCode.USAGE, "'many'"),
        (["thumbnail", "--queue", "another"], ExitCode.CONFIGURATION, "several queues"),
        (["thumbnail", '"' + "x" * 2000 + '"', "--payload-limit", "1KiB"], ExitCode.BUG, "1024"),
    ],
)
def test_mistake_is_named_and_nothing_is_stored(
    rrqmp: Any, where: list[str], keys: QueueKeys, arguments: list[str], code: ExitCode, said: str
) -> None:
    ran = rrqmp("execute", *arguments, *where)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    counts = json.loads(rrqmp("stats", "--json", *where).stdout)[keys.queue]
    assert counts["pending_count"] + counts["scheduled_count"] == 0
