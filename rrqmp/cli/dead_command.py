"""`rrqmp dead`: dead letters listed, looked at, revived and discarded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rrqmp.cli.list_command import print_page
from rrqmp.cli.moments import moment_of_text
from rrqmp.cli.printing import print_json
from rrqmp.cli.queue_options import open_queue, queue_options
from rrqmp.cli.show_command import command as show_command
from rrqmp.model.status import ActivityStatus

if TYPE_CHECKING:
    from rrqmp.client.dead_letters import DeadLetterFilter, OnProgress
    from rrqmp.client.queue import ActivityQueue

F = TypeVar("F", bound=Callable[..., Any])


@click.group("dead")
def command() -> None:
    """Dead letters: activities that failed for good and wait for somebody to look."""


command.add_command(show_command, "show")


def _filter_options(decorated: F) -> F:
    for flag, name, metavar, told in (
        ("--until", "until", "TIME", "died before: a time, or how long ago"),
        (
            "--since",
            "since",
            "TIME",
            "died at or after: '2026-11-21 20:00', or how long ago, such as 90m",
        ),
        ("--text", "text", "TEXT", "occurs in its error, message, traceback or stack, in any case"),
        (
            "--kind",
            "kind",
            "WORD",
            "how it died: failed, timed_out, crashed, out_of_memory, poisoned, lost ...",
        ),
        ("--type", "activity_type", "TYPE", "only of this type"),
    ):
        decorated = click.option(flag, name, default=None, metavar=metavar, help=told)(decorated)
    return decorated


def _filter(options: dict[str, Any]) -> DeadLetterFilter:
    return {
        "activity_type": options["activity_type"],
        "kind": options["kind"],
        "text": options["text"],
        "since": moment_of_text(options["since"], "--since"),
        "until": moment_of_text(options["until"], "--until"),
    }


@command.command("list")
@queue_options()
@_filter_options
@click.option("--limit", type=int, default=50, show_default=True, metavar="N", help="rows of a page")
@click.option("--cursor", default="", metavar="WORD", help="go on behind the page that printed it")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout: activities and cursor")
def list_dead(limit: int, cursor: str, as_json: bool, **options: Any) -> None:
    """Lists dead letters, the newest first."""
    wanted = _filter(options)
    with open_queue(options) as queue:
        page = queue.list_dead_letters(limit=limit, cursor=cursor, **wanted)
    print_page(page, ActivityStatus.DEAD_LETTER, as_json=as_json)


@command.command("revive")
@click.argument("activity_ids", metavar="[ID...]", nargs=-1)
@queue_options("priority_aging")
@_filter_options
@click.option("--all", "every", is_flag=True, help="all that fit, all of the queue where nothing is said")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout: revived")
def revive(activity_ids: tuple[str, ...], every: bool, as_json: bool, **options: Any) -> None:
    """Makes dead letters pending again with all their retries: those named, or with --all those that fit.

    They go to the end of the queue, behind the live work of their priority.
    """
    wanted = _filter(options)
    _check_choice(activity_ids, wanted, every)
    with open_queue(options) as queue:
        if activity_ids:
            revived = queue.revive(*activity_ids)
        else:
            with _progress("reviving", hidden=as_json) as progress:
                revived = queue.revive_all(on_progress=progress, **wanted)
    _tell("revived", revived, as_json=as_json)


@command.command("discard")
@click.argument("activity_ids", metavar="[ID...]", nargs=-1)
@queue_options()
@_filter_options
@click.option("--all", "every", is_flag=True, help="all that fit, all of the queue where nothing is said")
@click.option("--yes", is_flag=True, help="do not ask before all that fit are deleted")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout: discarded")
def discard(activity_ids: tuple[str, ...], every: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Deletes dead letters for good: those named, or with --all those that fit."""
    wanted = _filter(options)
    _check_choice(activity_ids, wanted, every)
    with open_queue(options) as queue:
        if activity_ids:
            discarded = queue.discard(*activity_ids)
        else:
            if not yes:
                _ask(queue)
            with _progress("discarding", hidden=as_json) as progress:
                discarded = queue.discard_all(on_progress=progress, **wanted)
    _tell("discarded", discarded, as_json=as_json)


def _check_choice(activity_ids: tuple[str, ...], wanted: DeadLetterFilter, every: bool) -> None:
    if activity_ids and (every or any(value is not None for value in wanted.values())):
        raise click.UsageError("give ids, or --all with what must fit, not both")
    if not activity_ids and not every:
        raise click.UsageError("name the ids, or say --all, which takes --type, --kind, --text, --since and --until")


def _ask(queue: ActivityQueue) -> None:
    kept = queue.get_stats().dead_letter_count
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"queue {queue.name!r} holds {kept} dead letters, and those that fit would be deleted for good: say --yes"
        )
    click.confirm(f"Delete for good those of the {kept} dead letters of {queue.name} that fit?", abort=True, err=True)


@contextmanager
def _progress(what: str, *, hidden: bool) -> Iterator[OnProgress]:
    # On stderr, so that stdout holds the answer alone.
    if hidden or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell(what: str, number: int, *, as_json: bool) -> None:
    if as_json:
        print_json({what: number})
    else:
        click.echo(f"{number} {what}")
