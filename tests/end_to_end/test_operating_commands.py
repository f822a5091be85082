"""`rrqmp list`, `cancel`, `dead`, `pause`, `resume`, `limit` and `workers` against a real server."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rrqmp.cli import commands
from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.model.progress import Progress, encode_progress
from rrqmp.model.spec import Spec, join_spec
from rrqmp.settings import TABLE
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.calls.attempt_notes import publish_progress
from rrqmp.store.calls.cycle import Settlement, SlotIdent, cycle
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.end_to_end.conftest import clean_environment

pytestmark = pytest.mark.once

IDS = [f"0198f3a0-0000-7000-8000-{number:012d}" for number in range(6)]
RULES = StoreRules()
IDENT = SlotIdent("a@1", 0, 1)
FAILED = Attempt(kind=AttemptKind.FAILED, attempt=1, error="ValueError", message="no [bold]file[/bold] \x1b[31m")


@pytest.fixture
def waiting(store: BlockingConnection, keys: QueueKeys) -> list[str]:
    """Six of two types."""
    spec = join_spec(Spec(timeout=20.0), b'{"path": "a.png"}')
    store.run(
        enqueue(keys, RULES, [Submission(one, ("thumbnail", "resize")[at % 2], spec) for at, one in enumerate(IDS)])
    )
    return IDS


@pytest.fixture
def dead(store: BlockingConnection, keys: QueueKeys, waiting: list[str]) -> list[str]:
    """All of them, dead."""
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    claims = store.run(cycle(keys, RULES, IDENT, seq=1, want=6, types=["thumbnail", "resize"])).claims
    body = encode_outcome(FAILED)
    store.run(
        cycle(
            keys,
            RULES,
            IDENT,
            seq=2,
            want=0,
            settlements=[Settlement(one.activity_id, IDENT.token(1), Ending.DEAD, body) for one in claims],
        )
    )
    return [one.activity_id for one in claims]


@pytest.fixture
def ask(server: EmbeddedServer, keys: QueueKeys, here: None, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command on the test's queue, in this process; what it printed, or its JSON."""

    def run(*arguments: str, code: int = 0) -> Any:
        ended = run_here(*arguments, "--redis-url", server.url, "--queue", keys.queue)
        told = capsys.readouterr()
        assert ended == code, told
        return json.loads(told.out) if "--json" in arguments else told.out or told.err

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the developer's own plays a part, and tables are as wide as they like."""
    monkeypatch.chdir(tmp_path)
    for setting in TABLE.values():
        monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdin", io.StringIO())


def run_here(*arguments: str) -> int:
    return commands.exit_code_of(
        lambda: commands.rrqmp.main(args=list(arguments), prog_name="rrqmp", standalone_mode=False)
    )


def test_list_prints_pages_for_programs_and_people(ask: Any, waiting: list[str]) -> None:
    seen, cursor = [], ""
    while True:
        page = ask("list", "pending", "--limit", "4", "--cursor", cursor, "--json")
        seen += [row["activity_id"] for row in page["activities"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert sorted(seen) == waiting
    table = ask("list", "--type", "resize", "--limit", "2")
    assert waiting[1] in table
    assert "more: --cursor" in table
    assert ask("list", "running") == "nothing is running\n"
    assert "'done' is not one of" in ask("list", "done", code=2)
    assert "is no cursor" in ask("list", "--cursor", "x", code=ExitCode.CONFIGURATION)


def test_cancel_says_what_became_of_each_id(ask: Any, waiting: list[str]) -> None:
    assert ask("cancel", waiting[0]) == f"{waiting[0]} is cancelled\n"
    told = ask("cancel", waiting[0], waiting[1], "no-such", "--json", code=ExitCode.BUG)
    assert told == {waiting[0]: "cancelled", waiting[1]: "cancelled", "no-such": "unknown"}
    assert "Missing argument" in ask("cancel", code=2)


def test_cancel_of_what_has_ended_says_how(ask: Any, dead: list[str]) -> None:
    assert ask("cancel", dead[0]) == f"{dead[0]} had ended: dead_letter\n"


def test_dead_letters_are_listed_and_searched(ask: Any, dead: list[str]) -> None:
    table = ask("dead", "list")
    assert all(one in table for one in dead)
    # A stranger's words steer neither the table nor the terminal.
    assert "failed ValueError: no [bold]file[/bold] \N{REPLACEMENT CHARACTER}[31m" in table
    found = ask(
        "dead", "list", "--type", "resize", "--kind", "failed", "--text", "NO [bold]", "--since", "1h", "--json"
    )
    assert {row["activity_id"] for row in found["activities"]} == set(IDS[1::2])
    assert found["activities"][0]["last"]["error"] == "ValueError"
    assert ask("dead", "list", "--until", "1h", "--json")["activities"] == []
    shown = ask("dead", "show", dead[0])
    assert "attempt 1: failed\n  ValueError: no [bold]file[/bold] \N{REPLACEMENT CHARACTER}[31m" in shown
    assert "did you mean 'failed'" in ask("dead", "list", "--kind", "fail", code=ExitCode.CONFIGURATION)
    assert "how long ago" in ask("dead", "list", "--since", "soon", code=2)


def test_dead_letters_are_revived_by_id_or_all_that_fit(ask: Any, dead: list[str]) -> None:
    assert ask("dead", "revive", dead[0], "no-such") == "1 revived\n"
    assert "--all" in ask("dead", "revive", "--type", "resize", code=2)
    assert "not both" in ask("dead", "revive", dead[0], "--all", code=2)
    assert ask("dead", "revive", "--all", "--type", "resize", "--json") == {"revived": 3}
    assert ask("dead", "revive", "--all") == "2 revived\n"


def test_discarding_all_asks_for_yes(ask: Any, dead: list[str]) -> None:
    told = ask("dead", "discard", "--all", code=2)
    assert "holds 6 dead letters" in told
    assert "--yes" in told
    assert ask("dead", "discard", dead[0]) == "1 discarded\n"
    assert ask("dead", "discard", "--all", "--type", "resize", "--yes", "--json")["discarded"] in (2, 3)
    assert ask("dead", "discard", "--all", "--yes").endswith(" discarded\n")
    assert ask("dead", "list") == "nothing is dead_letter\n"


def test_discarding_all_at_a_terminal_asks_and_shows_how_far_it_is(
    server: EmbeddedServer, keys: QueueKeys, dead: list[str]
) -> None:
    near, far = os.openpty()
    where = ("--redis-url", server.url, "--queue", keys.queue)
    with subprocess.Popen(
        [sys.executable, "-m", "rrqmp", "dead", "discard", "--all", *where],
        env=clean_environment(TERM="xterm"),
        stdin=far,
        stderr=far,
        stdout=subprocess.PIPE,
    ) as process:
        os.close(far)
        os.write(near, b"y\n")
        printed = process.communicate(timeout=30)[0]
        # At the end of a terminal whose other side has gone Linux says EIO.
        shown = b"".join(iter(lambda: _read(near), b""))
    os.close(near)
    assert printed == b"6 discarded\n"
    assert b"Delete for good those of the 6 dead letters" in shown
    assert b"6/6" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_pause_resume_and_limit_print_what_is_closed(ask: Any, waiting: list[str], keys: QueueKeys) -> None:
    assert ask("pause", "resize") == f"{keys.queue}: paused: resize\n"
    assert ask("pause") == f"{keys.queue}: the whole queue is paused; paused: resize\n"
    assert ask("limit", "resize", "2", "--json")["limits"] == {"resize": 2}
    table = ask("stats")
    assert "(paused)" in table
    counts = ask("stats", "--json")[keys.queue]
    assert (counts["is_paused"], counts["paused_types"], counts["limits"]) == (True, ["resize"], {"resize": 2})
    ask("resume")
    ask("resume", "resize")
    assert ask("limit", "resize", "none") == f"{keys.queue}: nothing is paused or limited\n"
    assert "give a number, or none" in ask("limit", "resize", "-", code=2)


def test_workers_without_any_says_how_to_start_one(ask: Any) -> None:
    assert "rrqmp run --app" in ask("workers")
    assert ask("workers", "--json") == []


def test_node_that_told_nothing_is_still_named(ask: Any, dead: list[str]) -> None:
    assert re.fullmatch(r"a: lease [\d.]+s, has told nothing of itself\n", ask("workers"))
    assert ask("workers", "--json")[0]["described"] is None


def test_show_tells_of_family_progress_and_expiry(ask: Any, store: BlockingConnection, keys: QueueKeys) -> None:
    parent, child = IDS[:2]
    spec = join_spec(Spec(expires=4e9), b"1")
    store.run(enqueue(keys, RULES, [Submission(parent, "report", spec)]))
    store.run(enqueue(keys, RULES, [Submission(child, "page", join_spec(Spec(parent=parent), b"1"), parent=parent)]))
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    store.run(cycle(keys, RULES, IDENT, seq=1, want=1, types=["report"]))
    body = encode_progress(Progress(0.25, "half of half"))
    assert store.run(publish_progress(keys, [(parent, IDENT.token(1), body)])) == 1
    told = ask("show", parent)
    assert f"children   1\n             {child}\n" in told
    assert "progress   25% half of half\n" in told
    assert "expires    2096-10-02" in told
    assert f"parent     {parent}" in ask("show", child)
    assert ask("show", parent, "--json")["progress"]["fraction"] == 0.25


def test_several_queues_are_too_many_for_what_changes_one(ask: Any) -> None:
    assert "name one with --queue" in ask("pause", "--queue", "other", code=ExitCode.CONFIGURATION)


@pytest.mark.parametrize(
    "arguments", [("list",), ("dead", "list"), ("cancel", IDS[0]), ("pause",), ("limit", "t", "1"), ("workers",)]
)
def test_server_that_is_down_has_its_own_exit_code(
    here: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setattr("rrqmp.cli.queue_options.PATIENCE_SECONDS", 0.05)
    assert run_here(*arguments, "--redis-url", f"unix://{tmp_path}/none.sock") == ExitCode.REDIS_UNREACHABLE
    assert "none.sock" in capsys.readouterr().err


def test_installed_command_lists(rrqmp: Any, server: EmbeddedServer, keys: QueueKeys, waiting: list[str]) -> None:
    ran = rrqmp("list", "--redis-url", server.url, "--queue", keys.queue, "--type", "resize")
    assert ran.returncode == 0, ran.stderr
    assert waiting[1] in ran.stdout
