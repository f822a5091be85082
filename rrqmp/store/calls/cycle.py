"""The hot path: one call settles what a slot has finished and claims what it does next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from rrqmp.model.attempt import Ending
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Argument, Call, load_script

MAX_CLAIMS: Final = 50


@dataclass(frozen=True, slots=True)
class SlotIdent:
    """Who calls: `node` is `<name>@<boot>`, `inc` the number of this process in its slot, from 1, never reused."""

    node: str
    slot: int
    inc: int
    prefix: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", f"{self.node}/{self.slot}.{self.inc}.")

    def token(self, seq: int) -> str:
        """The token of all that this process claims in its call number `seq`."""
        return f"{self.prefix}{seq}"


class Settlement(NamedTuple):
    """The end of one attempt. `body` is `encode_outcome`'s form; `delay_us` counts for a retry and for a later crash.

    `result_ttl_ms` of 0 is the rule's default.
    """

    activity_id: str
    token: str
    ending: Ending
    body: bytes = b""
    delay_us: int = 0
    result_ttl_ms: int = 0


class Verdict(StrEnum):
    """What became of one settlement: `again` is a repeat of what had been recorded; `stale` was not the caller's."""

    OK = "ok"
    AGAIN = "again"
    STALE = "stale"


class CycleStatus(StrEnum):
    """`fenced`: settled, but the node may claim nothing. `replay`: this call had been heard; its claims again.

    `superseded`: a later process or call of the slot has spoken; nothing was done.
    """

    OK = "ok"
    FENCED = "fenced"
    REPLAY = "replay"
    SUPERSEDED = "superseded"


class Claim(NamedTuple):
    """One activity to be run now; `attempt` counts from 1 and includes this one. `waited_us`: since it became ready."""

    activity_id: str
    activity_type: str
    spec: bytes
    attempt: int
    crashes: int
    losses: int
    waited_us: int = 0


class CycleReply(NamedTuple):
    """`verdicts` are in the order of the settlements; `next_due_us` is told only when nothing was claimed."""

    status: CycleStatus
    now_us: int
    verdicts: list[Verdict]
    claims: list[Claim]
    next_due_us: int | None


_STATUSES: Final = {status.value.encode(): status for status in CycleStatus}
_VERDICTS: Final = {verdict.value.encode(): verdict for verdict in Verdict}


def cycle(
    keys: QueueKeys,
    rules: StoreRules,
    ident: SlotIdent,
    *,
    seq: int,
    want: int,
    settlements: Sequence[Settlement] = (),
    types: Sequence[str] = (),
    woken: Sequence[str] = (),
) -> Call[CycleReply]:
    """The slot's full statement: what it is said to hold and does not settle here goes back uncounted.

    `seq` rises by one with each new call of the process; a resend keeps it. `woken` are the types whose tokens were
    taken since the last call. `want` of 0 settles and gives back the rest.
    """
    # Lists and no generators, plain concatenation and no objects: this is built once for every activity.
    arguments: list[Argument] = [
        ident.node,
        ident.slot,
        ident.inc,
        seq,
        want,
        rules.packed,
        len(settlements),
        len(types),
        len(woken),
        *types,
        *woken,
    ]
    for settlement in settlements:
        arguments += settlement
    return Call(load_script("cycle"), keys.script_keys, arguments, _read, True)


def _read(reply: Any) -> CycleReply:
    status, now_us, verdicts, rows, next_due_us = reply
    return CycleReply(
        _STATUSES[status],
        now_us,
        [_VERDICTS[verdict] for verdict in verdicts],
        [
            Claim(activity_id.decode(), activity_type.decode(), spec, attempt, crashes, losses, waited_us)
            for activity_id, activity_type, spec, attempt, crashes, losses, waited_us in rows
        ],
        next_due_us,
    )
