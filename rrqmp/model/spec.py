"""What a submitter asked for, as it is stored: one JSON line of options, a line feed, one line of payload.

The options are apart from the payload so that a worker can arm the attempt's deadline before it decodes one byte
that a user chose, and so that a script can find the reply channel without reading a large payload.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from rrqmp.model.retry import UNLIMITED, RetryPolicy
from rrqmp.model.units import MOST_SECONDS

# Checked when it is read: a stranger's number that no clock can hold must be a foreign byte like any other.
_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=MOST_SECONDS)]


class Spec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The options of one activity; only what the submitter set. Durations are seconds, times seconds since 1970.

    `reply` is the client's notice channel, `key` the idempotency key (with `key_ttl` after the end), `trace` the W3C
    carrier of the submitter.
    """

    reply: str = ""
    key: str = ""
    key_ttl: _Seconds | None = None
    timeout: _Seconds | None = None
    max_retries: Annotated[int, msgspec.Meta(ge=UNLIMITED)] | None = None
    retry: RetryPolicy | None = None
    result_ttl: _Seconds | None = None
    metadata: dict[str, str] | None = None
    parent: str = ""
    soft_timeout: _Seconds | None = None
    # Seconds since 1970: not started by then, it ends as expired.
    expires: Annotated[float, msgspec.Meta(gt=0, le=1e11)] | None = None
    trace: dict[str, str] | None = None

    def policy(self, of_handler: RetryPolicy) -> RetryPolicy:
        """The submitter's policy if it set one, else the handler's; `max_retries` alone overrides only the number."""
        policy = self.retry or of_handler
        if self.max_retries is None or self.max_retries == policy.max_retries:
            return policy
        return RetryPolicy(self.max_retries, policy.base, policy.cap, policy.jitter)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Spec)


def join_spec(options: Spec, payload: bytes) -> bytes:
    """The stored form; `payload` is JSON already."""
    return _encoder.encode(options) + b"\n" + payload


def split_spec(stored: bytes) -> tuple[Spec, bytes]:
    """The options and the undecoded payload; raises `msgspec.DecodeError` or its `ValidationError` on foreign bytes."""
    head, _, payload = stored.partition(b"\n")
    return _decoder.decode(head), payload
