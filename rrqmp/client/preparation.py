"""Turns calls into submissions, all checked, without I/O: the blocking and the asyncio client share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from rrqmp.client.targets import Resolved, Targets
from rrqmp.errors import ConfigurationError, InvalidPayload
from rrqmp.model.codec import DEFAULT_LIMIT_BYTES
from rrqmp.model.ids import new_activity_id
from rrqmp.model.options import DEFAULT_OPTIONS, CheckedOptions, check_key, check_options
from rrqmp.model.spec import Spec, join_spec
from rrqmp.store.calls.enqueue import MAX_BYTES, MAX_ITEMS, Submission
from rrqmp.telemetry.carrier import current_carrier

_NORMAL: Final = int(DEFAULT_OPTIONS.priority)
_NO_KEY: Final = DEFAULT_OPTIONS.on_duplicate.value
_KEYED_DEFAULTS: Final = ("on_duplicate", "key_ttl")


class Prepared(NamedTuple):
    """One submission that nothing can be wrong with any more."""

    submission: Submission
    resolved: Resolved


@dataclass(slots=True)
class Preparer:
    """The checks of one executor. `parent` is the activity inside which it submits, empty outside any."""

    payload_limit: int = DEFAULT_LIMIT_BYTES
    parent: str = ""
    targets: Targets = field(default_factory=Targets)
    _plain_heads: dict[str, bytes] = field(default_factory=dict)

    def one(self, activity: object, payload: object, options: Mapping[str, Any], reply: str) -> Prepared:
        """Checks a submission; raises `ConfigurationError` or `InvalidPayload`."""
        resolved = self.targets.resolve(activity)
        encoded = self._encode(resolved, payload, resolved.what)
        if not options and not resolved.defaults:
            # The usual call: nothing but a payload.
            trace = current_carrier()
            head = self._plain_head(reply) if trace is None else self._traced_head(reply, trace)
            spec = head + encoded
            return Prepared(
                Submission(
                    new_activity_id(), resolved.activity_type, spec, _NORMAL, 0, 0, "", _NO_KEY, reply, 0, self.parent
                ),
                resolved,
            )
        return Prepared(self._submission(resolved, encoded, checked_options(resolved, options), reply), resolved)

    def many(
        self,
        activity: object,
        payloads: Iterable[Any],
        key: Callable[[Any], str] | None,
        options: Mapping[str, Any],
        reply: str,
    ) -> tuple[list[Submission], Resolved]:
        """Checks all of them before the first is sent; the error names the place of the payload that is wrong."""
        resolved = self.targets.resolve(activity)
        if key is not None and not callable(key):
            raise ConfigurationError(f"key is {key!r}: give a function from a payload to its key")
        _check_payloads(payloads)
        checked = checked_options(resolved, {**options, "key": "any"} if key else options)
        head = join_spec(self._spec(checked.spec, "", reply), b"")
        submissions: list[Submission] = []
        fixed = int(checked.priority), checked.delay_us, checked.at_us
        bounds = _expires_us(checked.spec), self.parent
        for place, payload in enumerate(payloads):
            encoded = self._encode(resolved, payload, resolved.what, place)
            if key is None:
                submission = Submission(
                    new_activity_id(), resolved.activity_type, head + encoded, *fixed, "", _NO_KEY, reply, *bounds
                )
            else:
                submission = self._submission(resolved, encoded, _keyed(checked, key(payload)), reply)
            submissions.append(submission)
        return submissions, resolved

    def _submission(self, resolved: Resolved, encoded: bytes, checked: CheckedOptions, reply: str) -> Submission:
        key = checked.spec.key
        if key and self.parent:
            # A parent that is tried again finds its children; another parent's children are not its own.
            key = f"{self.parent}/{key}"
        return Submission(
            new_activity_id(),
            resolved.activity_type,
            join_spec(self._spec(checked.spec, key, reply), encoded),
            int(checked.priority),
            checked.delay_us,
            checked.at_us,
            key,
            checked.on_duplicate.value,
            reply,
            _expires_us(checked.spec),
            self.parent,
        )

    def _encode(self, resolved: Resolved, payload: object, what: str, place: int | None = None) -> bytes:
        try:
            encoded = resolved.payloads.encode(payload, limit=self.payload_limit, what=what)
            if resolved.is_typed:
                # What the worker's side would refuse is refused here, where somebody is there to hear it.
                resolved.payloads.decode(encoded, what=what)
        except InvalidPayload as error:
            if place is None:
                raise
            raise type(error)(f"number {place} of the batch: {error}") from None
        return encoded

    def _spec(self, checked: Spec, key: str, reply: str) -> Spec:
        trace = current_carrier()
        if not reply and not self.parent and key == checked.key and trace is None:
            return checked
        return msgspec.structs.replace(checked, key=key, reply=reply, parent=self.parent, trace=trace)

    def _traced_head(self, reply: str, trace: dict[str, str]) -> bytes:
        return join_spec(Spec(reply=reply, parent=self.parent, trace=trace), b"")

    def _plain_head(self, reply: str) -> bytes:
        head = self._plain_heads.get(reply)
        if head is None:
            head = self._plain_heads[reply] = join_spec(Spec(reply=reply, parent=self.parent), b"")
        return head


def checked_options(resolved: Resolved, options: Mapping[str, Any]) -> CheckedOptions:
    """The call's options over the declaration's; how a key is used counts only where there is one."""
    defaults = resolved.defaults
    if not defaults:
        return check_options(options)
    given = {name: value for name, value in options.items() if value is not None}
    idle = () if given.get("key") else _KEYED_DEFAULTS
    if "at" in given:
        # The call's own moment goes before the declaration's delay.
        idle = (*idle, "delay")
    return check_options({**{name: value for name, value in defaults.items() if name not in idle}, **given})


def chunks(submissions: Sequence[Submission]) -> Iterator[Sequence[Submission]]:
    """Pieces that one script call takes in its stride: 200 items, 256 KiB, or one larger item alone."""
    start = size = 0
    for place, item in enumerate(submissions):
        length = len(item.spec)
        if place > start and (place - start == MAX_ITEMS or size + length > MAX_BYTES):
            yield submissions[start:place]
            start, size = place, 0
        size += length
    if start < len(submissions):
        yield submissions[start:]


def _check_payloads(payloads: object) -> None:
    # Texts and mappings are iterables too, and nobody means their letters and keys.
    if not isinstance(payloads, Iterable) or isinstance(payloads, str | bytes | Mapping):
        raise ConfigurationError(f"payloads is {payloads!r:.60}: give a list or another iterable of payloads")


def _expires_us(options: Spec) -> int:
    return 0 if options.expires is None else round(options.expires * 1_000_000)


def _keyed(checked: CheckedOptions, key: object) -> CheckedOptions:
    text = check_key(key)
    if not text:
        raise ConfigurationError("the key function returned an empty string: give every payload a key")
    return CheckedOptions(
        checked.priority,
        checked.delay_us,
        checked.at_us,
        checked.on_duplicate,
        msgspec.structs.replace(checked.spec, key=text),
    )
