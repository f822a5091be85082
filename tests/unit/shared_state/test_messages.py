"""One message, one packet, with the descriptors that belong to it."""

from __future__ import annotations

import os

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport, encode_report
from rrqmp.shared_state.messages import Drain, Fork, Forked, Leaving, Message, Ready, Settled, Take, pair, receive, send

MESSAGES: list[Message] = [
    Ready(), Settled(), Drain(), Leaving(reason="drained"), Fork(life=3), Forked(life=3, pid=0, errno=11),
    Take(node="n@b", slot=0, inc=1, report=b"x" * 100_000),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_message_arrives_as_it_was_sent(message: Message) -> None:
    near, far = pair()
    with near, far:
        send(near, message)
        assert receive(far) == (message, [])


def test_descriptors_arrive_closed_on_exec() -> None:
    near, far = pair()
    reader, writer = os.pipe()
    with near, far:
        send(near, Fork(life=1), (reader, writer))
        message, arrived = receive(far)
    assert message == Fork(life=1)
    assert len(arrived) == 2
    assert not any(map(os.get_inheritable, arrived))
    for descriptor in (reader, writer, *arrived):
        os.close(descriptor)


def test_end_of_the_peer_is_no_message() -> None:
    near, far = pair()
    with far:
        near.close()
        assert receive(far) == (None, [])


def test_peer_that_does_not_read_blocks_nobody() -> None:
    near, far = pair()
    with near, far, pytest.raises(BlockingIOError):
        list(iter(lambda: send(near, Drain()), True))


def test_largest_report_fits_into_a_packet() -> None:
    # A stack of 48 KiB, of which every character may need an escape.
    broken = BrokenAttempt(
        queue="q", activity_id="i" * 36, activity_type="t" * 128, token="k" * 128, kind=AttemptKind.CRASHED, attempt=1,
        run_seconds=0.0, cpu_seconds=0.0,
    )  # fmt: skip
    report = ExitReport(
        summary="crashed", node="n" * 200, pid=1, slot=0, inc=1, ended_at=1.0, life_seconds=1.0, cpu_seconds=1.0,
        stack="\n" * 48 * 1024, broken=broken,
    )  # fmt: skip
    take = Take(node="n@b", slot=0, inc=2, report=encode_report(report))
    near, far = pair()
    with near, far:
        send(near, take)
        assert receive(far)[0] == take
