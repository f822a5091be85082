"""What is stored with an activity: foreign bytes and absurd numbers in it are refused, not carried on."""

from __future__ import annotations

import math

import msgspec
import pytest

from rrqmp.model.retry import RetryPolicy
from rrqmp.model.spec import Spec, join_spec, split_spec

MONTH = 30 * 86400.0


def test_spec_comes_back_as_it_was_joined() -> None:
    spec = Spec(timeout=MONTH, result_ttl=MONTH, key="k", key_ttl=1.0, max_retries=-1, retry=RetryPolicy(cap=MONTH))
    assert split_spec(join_spec(spec, b"[1]")) == (spec, b"[1]")


@pytest.mark.parametrize(
    "options",
    [
        '{"timeout":0}',
        '{"timeout":-1}',
        '{"timeout":1e300}',
        '{"result_ttl":1e300}',
        '{"key_ttl":-1e300}',
        '{"max_retries":-2}',
        '{"retry":{"base":1e300}}',
        '{"retry":{"cap":1e300}}',
    ],
)
def test_number_that_no_client_sends_is_refused(options: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        split_spec(options.encode() + b"\n1")


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0, MONTH + 1])
def test_retry_policy_refuses_a_delay_that_no_clock_can_hold(seconds: float) -> None:
    with pytest.raises(ValueError, match="30 days"):
        RetryPolicy(base=seconds)
    with pytest.raises(ValueError, match="30 days"):
        RetryPolicy(cap=seconds)
