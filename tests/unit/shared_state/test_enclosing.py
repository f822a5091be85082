"""Bodies of any size beside packets, and descriptors that never leak."""

from __future__ import annotations

import os

import pytest

from rrqmp.shared_state import messages
from rrqmp.shared_state.enclosing import disclose, enclosed
from rrqmp.shared_state.messages import Answer


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 16 * 2**20])
def test_body_of_any_size_comes_through_one_packet(size: int) -> None:
    near, far = messages.pair()
    body = os.urandom(size)
    with near, far:
        with enclosed(body) as (inline, descriptors):
            messages.send(far, Answer(number=1, body=inline), descriptors)
        message, received = messages.receive(near)
        assert isinstance(message, Answer)
        assert disclose(message.body, received, size) == body


def test_body_larger_than_allowed_is_read_one_byte_too_far_and_no_further() -> None:
    with enclosed(bytes(100_000)) as (inline, descriptors):
        assert len(disclose(inline, [os.dup(descriptors[0])], 70_000)) == 70_001


def test_descriptors_are_closed_also_where_the_body_came_inline() -> None:
    descriptor = os.memfd_create("stray")
    assert disclose(b"x", [descriptor], 10) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
