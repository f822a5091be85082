"""`rrqmp list`: activities by status, page by page."""

from __future__ import annotations

import time
from typing import Any

import click

from rrqmp.cli.printing import moment, plain, print_json, print_table, span
from rrqmp.cli.queue_options import open_queue, queue_options
from rrqmp.model.status import ActivityStatus
from rrqmp.model.summary import ActivityPage, ActivitySummary

_STATUSES = [status.value for status in ActivityStatus]


@click.command("list")
@click.argument("status", metavar="STATUS", type=click.Choice(_STATUSES), default=ActivityStatus.PENDING.value)
@queue_options("priority_aging")
@click.option("--type", "activity_type", default=None, metavar="TYPE", help="only activities of this type")
@click.option("--limit", type=int, default=50, show_default=True, metavar="N", help="rows of a page")
@click.option("--cursor", default="", metavar="WORD", help="go on behind the page that printed it")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout: activities and cursor")
def command(status: str, activity_type: str | None, limit: int, cursor: str, as_json: bool, **options: Any) -> None:
    """Lists the activities of one queue that are STATUS: pending (default), running, scheduled, retrying, completed,
    cancelled or dead_letter.
    """
    with open_queue(options) as queue:
        page = queue.list_activities(status, activity_type=activity_type, limit=limit, cursor=cursor)
    print_page(page, ActivityStatus(status), as_json=as_json)


def print_page(page: ActivityPage, status: ActivityStatus, *, as_json: bool) -> None:
    """One page, and how to get the next."""
    if as_json:
        print_json({"activities": [row_of(row) for row in page.activities], "cursor": page.cursor})
        return
    if not page.activities:
        click.echo(f"nothing is {status}")
        return
    columns = ["id", "type", "att", *_COLUMNS[status]]
    print_table(columns, ([row.activity_id, row.activity_type, row.attempt, *_tail(row)] for row in page.activities))
    if page.cursor:
        click.echo(f"more: --cursor {page.cursor}")


def row_of(row: ActivitySummary) -> dict[str, Any]:
    """One row for programs."""
    found = plain(row)
    found["priority"] = row.priority.name.lower() if row.priority is not None else None
    return found


_COLUMNS = {
    ActivityStatus.PENDING: ("priority", "waits"),
    ActivityStatus.RUNNING: ("node", "slot"),
    ActivityStatus.SCHEDULED: ("priority", "due"),
    ActivityStatus.RETRYING: ("priority", "due"),
    ActivityStatus.COMPLETED: ("ended",),
    ActivityStatus.CANCELLED: ("ended", "reason"),
    ActivityStatus.DEAD_LETTER: ("ended", "died of"),
}


def _tail(row: ActivitySummary) -> list[object]:
    priority = row.priority.name.lower() if row.priority is not None else None
    match row.status:
        case ActivityStatus.PENDING:
            since = row.waiting_since
            return [priority, span(max(0.0, time.time() - since)) if since is not None else None]
        case ActivityStatus.RUNNING:
            return [row.node, row.slot]
        case ActivityStatus.SCHEDULED | ActivityStatus.RETRYING:
            return [priority, moment(row.due_at)]
        case ActivityStatus.COMPLETED:
            return [moment(row.ended_at)]
        case ActivityStatus.CANCELLED:
            return [moment(row.ended_at), row.reason]
        case _:
            return [moment(row.ended_at), _cause(row)]


def _cause(row: ActivitySummary) -> str:
    last = row.last
    if last is None:
        return row.reason
    said = f"{last.error}: {last.message}" if last.error else last.message
    line = said.strip().partition("\n")[0][:120]
    return " ".join(filter(None, (f"{row.reason}," if row.reason else "", last.kind, last.signal, line)))
