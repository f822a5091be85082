"""`rrqmp show`: one activity with all that is kept of its attempts."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from rrqmp.cli.printing import printable
from rrqmp.cli.queue_options import open_pool, queue_options, read_settings
from rrqmp.errors import ActivityNotFound
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import Attempt
from rrqmp.settings import Settings
from rrqmp.store.calls.show import show
from rrqmp.store.keys import QueueKeys

_LONGEST_JSON = 2000
_MOST_CHILDREN = 20


@click.command("show")
@click.argument("activity_id", metavar="ID")
@queue_options()
@click.option("--json", "as_json", is_flag=True, help="the record as one JSON object on stdout")
def command(activity_id: str, as_json: bool, **options: Any) -> None:
    """Prints one activity: where it stands, what was asked for, and the report of each attempt."""
    settings = read_settings(options)
    record = _find(settings, activity_id)
    if as_json:
        click.echo(msgspec.json.encode(_plain(record)).decode())
        return
    for line in (*_head(record), *(line for attempt in record.attempts for line in _report(attempt))):
        # A stranger's words in a record must not steer the terminal.
        click.echo(printable(line))


def _find(settings: Settings, activity_id: str) -> ActivityRecord:
    with open_pool(settings) as pool:
        for queue in settings.queues:
            record = pool.run(show(QueueKeys(queue, settings.prefix), activity_id))
            if record is not None:
                return record
    queues = ", ".join(settings.queues)
    raise ActivityNotFound(f"no activity {activity_id} in {queues}: it never was, or its time to live is over")


def _plain(record: ActivityRecord) -> dict[str, Any]:
    plain: dict[str, Any] = {item.name: getattr(record, item.name) for item in fields(record)}
    plain["priority"] = record.priority.name.lower() if record.priority is not None else None
    # JSON already, or foreign bytes: the one goes in as it is, the other as text.
    for name in ("payload", "result", "progress"):
        plain[name] = _raw(plain[name])
    return plain


def _raw(stored: bytes) -> object:
    try:
        return msgspec.json.decode(stored) if stored else None
    except msgspec.DecodeError:
        return stored.decode(errors="replace")


def _head(record: ActivityRecord) -> list[str]:
    status = record.status + (f" ({record.reason})" if record.reason else "")
    lines = [f"{record.activity_type} {record.activity_id}: {status}"]
    lines.append(f"  attempt    {record.attempt}, crashes {record.crashes}, losses {record.losses}")
    if record.priority is not None:
        lines.append(f"  priority   {record.priority.name.lower()}")
    asked = msgspec.to_builtins(record.spec)
    if record.spec.expires is not None:
        asked["expires"] = _moment(record.spec.expires)
    lines += [f"  {name:10} {value}  (submitter)" for name, value in asked.items() if name != "reply"]
    if record.owner:
        lines.append(f"  owner      {record.owner}")
    if record.due_at is not None:
        lines.append(f"  due        {_moment(record.due_at)}")
    if record.ended_at is not None:
        lines.append(f"  ended      {_moment(record.ended_at)}")
    if record.cancel_requested:
        lines.append("  cancel     requested")
    if record.progress:
        lines.append(f"  progress   {_progress(record.progress)}")
    if record.checkpoint_bytes:
        lines.append(f"  checkpoint {record.checkpoint_bytes} bytes")
    lines += _children(record)
    lines.append(f"  payload    {_cut(record.payload)}")
    if record.result:
        lines.append(f"  result     {_cut(record.result)}")
    return lines


def _children(record: ActivityRecord) -> list[str]:
    if not record.children_count:
        return []
    more = record.children_count - len(record.children[:_MOST_CHILDREN])
    return [
        f"  children   {record.children_count}",
        *(f"             {child}" for child in record.children[:_MOST_CHILDREN]),
        *([f"             and {more} more"] if more else []),
    ]


def _progress(stored: bytes) -> str:
    told = _raw(stored)
    if not isinstance(told, dict):
        return _cut(stored)
    fraction = told.get("fraction")
    share = f"{fraction:.0%}" if isinstance(fraction, int | float) else ""
    return " ".join(filter(None, (share, str(told.get("message") or ""))))


def _report(attempt: Attempt) -> list[str]:
    how = attempt.signal or (f"exit code {attempt.exit_code}" if attempt.exit_code is not None else "")
    error = f"{attempt.error}: {attempt.message}" if attempt.error else attempt.message
    lines = ["", f"attempt {attempt.attempt}: {attempt.kind}{f' by {how}' if how else ''}"]
    lines += [f"  {line}" for line in error.splitlines()]
    facts = {
        "at": _moment(attempt.ended_at) if attempt.ended_at is not None else None,
        "ran": _seconds(attempt.run_seconds),
        "cpu": _seconds(attempt.cpu_seconds),
        "peak": f"{attempt.peak_bytes / 2**20:.1f} MiB" if attempt.peak_bytes is not None else None,
        "node": attempt.node or None,
        "slot": attempt.slot,
        "pid": attempt.pid,
        "where": attempt.where or None,
        "result": attempt.result_repr or None,
    }
    lines += [f"  {name:8} {value}" for name, value in facts.items() if value is not None]
    lines += [f"  note     {note}" for note in attempt.notes]
    for block in (attempt.traceback, attempt.stack):
        lines += [f"    {line}" for line in block.splitlines()]
    return lines


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(sep=" ", timespec="milliseconds")


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.3f} s"


def _cut(stored: bytes) -> str:
    text = stored.decode(errors="replace")
    return text if len(text) <= _LONGEST_JSON else f"{text[:_LONGEST_JSON]}... ({len(stored)} bytes)"
