"""Accepting activities."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Final, NamedTuple

from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Argument, Call, load_script

# A bite: more, or a larger one, keeps the server busy for longer than a call may take.
MAX_ITEMS: Final = 200
MAX_BYTES: Final = 256 * 1024


class Acceptance(StrEnum):
    """What became of one submission.

    `exists`: this id is there already, with the same spec; success for whoever sends twice. `conflict`: there with
    another spec. `existing`: its key is held, the owner's id is the answer. `refused`: its key is held and may not be
    used again. `in_use`: its key is held by an activity that did not fail. `full`: too many wait; nothing of the call
    was accepted.
    """

    CREATED = "created"
    EXISTS = "exists"
    CONFLICT = "conflict"
    EXISTING = "existing"
    REFUSED = "refused"
    IN_USE = "in_use"
    FULL = "full"


class DuplicateRule(StrEnum):
    """The words by which the script treats a held idempotency key."""

    ALLOW_REUSE = "allow_reuse"
    RETURN_EXISTING = "return_existing"
    ALLOW_REUSE_ON_FAILURE = "allow_reuse_on_failure"
    NO_REUSE = "no_reuse"


class Submission(NamedTuple):
    """One activity to be accepted; times in microseconds. A tuple: bulks make them by the ten thousand.

    `at_us` (since 1970, 0 for none) goes before `delay_us`. `key` is the idempotency key, empty for none;
    `on_duplicate` a word of `DuplicateRule`. `reply` is the client's notice channel; the script finds it in `spec`.
    `expires_us` (since 1970, 0 for never) ends it as expired if it has not been started by then; `parent` is the id of
    the activity that submits it, and puts it among that one's children.
    """

    activity_id: str
    activity_type: str
    spec: bytes
    priority: int = 1
    delay_us: int = 0
    at_us: int = 0
    key: str = ""
    on_duplicate: str = DuplicateRule.ALLOW_REUSE
    reply: str = ""
    expires_us: int = 0
    parent: str = ""


class EnqueueVerdict(NamedTuple):
    """`activity_id` is the id that the submitter should go on with: the owner's where a key is held."""

    kind: Acceptance
    activity_id: str


_ACCEPTANCES: Final = {kind.value.encode(): kind for kind in Acceptance}


def enqueue(
    keys: QueueKeys, rules: StoreRules, items: Sequence[Submission], *, max_pending: int = 0
) -> Call[list[EnqueueVerdict]]:
    """Accepts up to `MAX_ITEMS` of together about `MAX_BYTES`, all in one step; order is kept inside a priority.

    With `max_pending` the whole call is refused as `full` where more than that would wait or be scheduled afterwards.
    """
    arguments: list[Argument] = [rules.packed, max_pending, len(items)]
    have_extras = False
    for activity_id, name, spec, priority, delay_us, at_us, key, mode, _, expires_us, parent in items:
        # int(): the packer refuses an IntEnum.
        arguments += (activity_id, name, int(priority), delay_us, at_us, key, mode, spec)
        if expires_us or parent:
            have_extras = True
    if have_extras:
        for number, item in enumerate(items, 1):
            if item.expires_us or item.parent:
                arguments += (number, item.expires_us, item.parent)
    return Call(load_script("enqueue"), keys.script_keys, arguments, partial(_read, items))


def _read(items: Sequence[Submission], reply: Any) -> list[EnqueueVerdict]:
    verdicts = []
    for item, words in zip(items, reply, strict=True):
        kind, _, owner = words.partition(b" ")
        verdicts.append(EnqueueVerdict(_ACCEPTANCES[kind], owner.decode() or item.activity_id))
    return verdicts
