"""Cancelling what runs: the order names an activity and a token, and hits nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rrqmp.shared_state.board import KillReason, Word
from rrqmp.store.calls.cancel import CancelOrder
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.ladder import Ladder


def cancel_running(crew: Crew, ladder: Ladder, cancels: Mapping[str, CancelOrder]) -> Collection[str]:
    """Kills the workers that run these activities under these tokens; the ids that no worker here holds any more.

    What is claimed and not started yet is left for the next beat.
    """
    held: set[str] = set()
    for handle in crew.roster:
        slot, words = handle.slot, handle.page.words
        if slot is None:
            continue
        seq = words[Word.SEQ]
        token = f"{crew.node}/{slot.number}.{handle.inc}.{words[Word.CLAIM_SEQ]}"
        running = handle.page.activity_id().strip() if handle.page.busy else ""
        held.update(handle.page.unstarted())
        if slot.pending is not None and slot.pending.report.broken is not None:
            held.add(slot.pending.report.broken.activity_id)
        if not running:
            continue
        held.add(running)
        order = cancels.get(running)
        if order is not None and order.token == token and handle.ordered is KillReason.NONE:
            words[Word.CANCEL] = seq
            if ladder.condemn(handle, seq, KillReason.CANCELLED):
                ladder.strike(handle)
    return [activity_id for activity_id in cancels if activity_id not in held]
