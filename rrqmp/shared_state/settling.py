"""What the store is asked to do with an attempt that broke: the one rule, used by successors and by the supervisor."""

from __future__ import annotations

from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import AttemptKind, Ending, encode_outcome
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.spec import Spec
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.store.calls.cycle import Settlement

_TTL_DEFAULT = 0


def retries_used(attempt: int, crashes: int, losses: int) -> int:
    """Retries that count against `max_retries`: crashes and losses have limits of their own."""
    return max(0, attempt - 1 - crashes - losses)


def delay_us(policy: RetryPolicy, retry: int, spread: float) -> int:
    """Microseconds before that retry."""
    return round(policy.delay(retry, spread) * 1_000_000)


def result_ttl_ms(spec: Spec) -> int:
    """The submitter's time to live in milliseconds; 0 is the queue's default."""
    return _TTL_DEFAULT if spec.result_ttl is None else max(1, round(spec.result_ttl * 1000))


def settle_broken(report: ExitReport, record: ActivityRecord, handler_policy: RetryPolicy, spread: float) -> Settlement:
    """The end of the attempt that a death is charged to.

    A crash runs again at once the first time and after the policy's delay later; its limit is the script's affair. A
    time-out or memory kill is retried under the policy. `spread` from -1 to 1 places the delay inside the jitter.
    """
    broken = report.broken
    if broken is None:
        raise ValueError(f"the report on pid {report.pid} names no attempt")
    policy = record.spec.policy(handler_policy)
    used = retries_used(record.attempt, record.crashes, record.losses)
    delay = 0
    if broken.kind is AttemptKind.CRASHED:
        ending = Ending.CRASH
        # The first crash runs again at once; the script takes no notice of the delay then.
        delay = delay_us(policy, max(1, record.crashes), spread)
    elif broken.kind is AttemptKind.CANCELLED:
        ending = Ending.CANCELLED
    elif policy.allows(used):
        ending = Ending.RETRY
        delay = delay_us(policy, used + 1, spread)
    else:
        ending = Ending.DEAD
    return Settlement(
        broken.activity_id,
        broken.token,
        ending,
        encode_outcome(report.attempt(report.node.partition("@")[0])),
        delay,
        result_ttl_ms(record.spec),
    )
