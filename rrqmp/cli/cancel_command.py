"""`rrqmp cancel`: ends activities, waiting or running."""

from __future__ import annotations

from typing import Any

import click

from rrqmp.cli.printing import print_json
from rrqmp.cli.queue_options import open_pool, queue_options, read_settings
from rrqmp.model.status import ActivityStatus
from rrqmp.model.units import seconds_of_text
from rrqmp.settings import Settings
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.calls.cancel import CancelOutcome, CancelReply
from rrqmp.store.keys import QueueKeys
from rrqmp.store.pool import ConnectionPool
from rrqmp.store.rules import rules_of


@click.command("cancel")
@click.argument("activity_ids", metavar="ID...", nargs=-1, required=True)
@queue_options()
@click.option("--grace", default=None, metavar="TIME", help="how long a running one may clean up; default: its node's")
@click.option("--children", is_flag=True, help="also what they have started, and what that has")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout: what became of each id")
def command(activity_ids: tuple[str, ...], grace: str | None, children: bool, as_json: bool, **options: Any) -> int:
    """Cancels activities: waiting ones end at once, running ones are told and, after their grace, killed.

    Returns without waiting. Exits with 1 if an id is unknown to all queues named.
    """
    settings = read_settings(options)
    seconds = None if grace is None else seconds_of_text(grace, "--grace", least=0)
    with open_pool(settings) as pool:
        found = {one: _cancel(pool, settings, one, seconds, children=children) for one in activity_ids}
    outcomes = {one: _outcome(reply) for one, reply in found.items()}
    if as_json:
        print_json(outcomes)
    else:
        for one, reply in found.items():
            click.echo(f"{one} {_told(reply)}")
    return ExitCode.BUG if CancelOutcome.UNKNOWN in outcomes.values() else ExitCode.STOPPED


def _cancel(
    pool: ConnectionPool, settings: Settings, activity_id: str, grace: float | None, *, children: bool
) -> CancelReply:
    from rrqmp.client.cancelling import asking_for_end
    from rrqmp.client.steps import run_steps

    for name in settings.queues:
        keys, rules = QueueKeys(name, settings.prefix), rules_of(settings)
        reply = run_steps(pool.run, asking_for_end(keys, activity_id, grace, children=children, rules=rules))
        if reply.outcome is not CancelOutcome.UNKNOWN:
            return reply
    return CancelReply(CancelOutcome.UNKNOWN, None)


def _outcome(reply: CancelReply) -> CancelOutcome:
    # Asked twice, it is cancelled all the same.
    return CancelOutcome.CANCELLED if reply.status is ActivityStatus.CANCELLED else reply.outcome


def _told(reply: CancelReply) -> str:
    match _outcome(reply):
        case CancelOutcome.CANCELLED:
            return "is cancelled"
        case CancelOutcome.REQUESTED:
            return "runs, and its node was told"
        case CancelOutcome.ENDED:
            return f"had ended: {reply.status}"
        case _:
            return "is unknown: it never was, or its time to live is over"
