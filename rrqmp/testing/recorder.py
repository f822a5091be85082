"""Keeps what is submitted, as the workers would get it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from rrqmp.client.targets import Targets
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.spec import Spec, split_spec
from rrqmp.store.calls.enqueue import Acceptance, EnqueueVerdict, Submission
from rrqmp.testing.stage import Setter, Stage, empty, staged, watch_submissions


@dataclass(frozen=True, slots=True)
class Submitted:
    """One accepted activity. `payload` is what JSON makes of it; `delay` is seconds, `at` seconds since 1970.

    `options` holds what the submitter set: timeout, max_retries, metadata, key and so on.
    """

    activity_id: str
    activity_type: str
    payload: Any
    queue_name: str
    priority: ActivityPriority
    delay: float
    at: float | None
    options: Spec

    @property
    def metadata(self) -> Mapping[str, str]:
        """The submitter's metadata, empty where it gave none."""
        return self.options.metadata or {}


class Recorder:
    """What the code under test has submitted since the test began, in order; nothing of it runs."""

    def __init__(self) -> None:
        self.submitted: list[Submitted] = []

    def of(self, activity_type: object) -> list[Submitted]:
        """Those of one type: a name, an `ActivityType`, or what `@engine.activity` returned."""
        wanted = _name_of(activity_type)
        return [one for one in self.submitted if one.activity_type == wanted]

    def payloads(self, activity_type: object) -> list[Any]:
        """Their payloads alone."""
        return [one.payload for one in self.of(activity_type)]

    def one(self, activity_type: object) -> Submitted:
        """The only one of a type; raises `AssertionError` that shows what was submitted instead."""
        found = self.of(activity_type)
        if len(found) != 1:
            seen = ", ".join(f"{one.activity_type}({one.payload!r})" for one in self.submitted) or "nothing"
            raise AssertionError(f"{len(found)} of {_name_of(activity_type)!r} submitted, not one; in all: {seen}")
        return found[0]

    def clear(self) -> None:
        """Forgets them."""
        self.submitted.clear()

    def note(self, queue: str, items: Sequence[Submission], verdicts: Sequence[EnqueueVerdict]) -> None:
        """Takes those that were accepted; a key that is taken makes no activity."""
        for item, verdict in zip(items, verdicts, strict=True):
            if verdict.kind is Acceptance.CREATED:
                self.submitted.append(_submitted(queue, item))

    def __len__(self) -> int:
        return len(self.submitted)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} submitted>"


@contextmanager
def recording(url: str, patch: Setter) -> Iterator[Recorder]:
    """What the fixture `rrqmp_recorder` does."""
    empty(url)
    recorder = Recorder()
    watch_submissions(patch, recorder.note)
    with staged(Stage(url, why_never=lambda handle: _WAITING), patch):
        yield recorder


_WAITING = "nothing runs under rrqmp_recorder, so this wait would never end: use rrqmp_eager or rrqmp_queue"


def _submitted(queue: str, item: Submission) -> Submitted:
    spec, payload = split_spec(item.spec)
    return Submitted(
        activity_id=item.activity_id,
        activity_type=item.activity_type,
        payload=msgspec.json.decode(payload),
        queue_name=queue,
        priority=ActivityPriority(item.priority),
        delay=item.delay_us / 1e6,
        at=item.at_us / 1e6 if item.at_us else None,
        options=spec,
    )


def _name_of(activity_type: object) -> str:
    return Targets().resolve(activity_type).activity_type
