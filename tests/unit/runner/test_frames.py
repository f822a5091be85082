import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrqmp.runner.frames import FRAME_MOST, BadFrame, FrameReader, frame
from rrqmp.runner.messages import WireCancel, WireRequest, decode_message, decode_response

# A busy machine is no fault, and nothing is kept in the checkout.
quick = settings(deadline=None, database=None)


def cut(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(stream), *(at % (len(stream) + 1) for at in cuts)})
    return (stream[start:end] for start, end in itertools.pairwise(edges))


@quick
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.lists(st.integers(0, 5000), max_size=12))
def test_bodies_come_out_as_they_went_in_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    reader = FrameReader()
    stream = b"".join(map(frame, bodies))
    assert [body for piece in cut(stream, cuts) for body in reader.feed(piece)] == bodies
    assert reader.kept_bytes == 0


@quick
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_any_bytes_give_bodies_or_a_bad_frame(stream: bytes, cuts: list[int]) -> None:
    reader = FrameReader()
    try:
        for piece in cut(stream, cuts):
            for body in reader.feed(piece):
                assert 0 < len(body) <= FRAME_MOST
    except BadFrame:
        pass


@pytest.mark.parametrize("size", [0, FRAME_MOST + 1, 2**32 - 1])
def test_length_out_of_bounds_is_told_before_the_body_comes(size: int) -> None:
    with pytest.raises(BadFrame, match=f"a frame of {size} bytes; from 1 to 16777216"):
        list(FrameReader().feed(size.to_bytes(4, "big")))


REQUEST = (
    b'{"type":"request","payload":{"request_id":"r","job_id":"j","function_name":"f","params":{"a":[1,"\xc3\xa9"]},'
    b'"context":{"job_id":"j","attempt":1,"enqueue_time":"2026-11-21T16:06:54Z","queue_name":"q","deadline":null}}}'
)


@quick
@given(st.lists(st.tuples(st.integers(0, len(REQUEST) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 400))
def test_spoilt_message_is_a_message_or_a_bad_frame(changes: list[tuple[int, int]], length: int) -> None:
    body = bytearray(REQUEST)
    for at, value in changes:
        body[at] = value
    for spoilt in (bytes(body), bytes(body[:length])):
        for decode in (decode_message, decode_response):
            try:
                message = decode(spoilt)
            except BadFrame:
                continue
            assert isinstance(message, WireRequest | WireCancel)


words = st.text('ab"\\\ud800\u00e9', max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@quick
@given(st.dictionaries(st.sampled_from(["type", "payload", "x"]), json_values, max_size=3))
def test_any_json_is_a_message_or_a_bad_frame(value: dict[str, object]) -> None:
    for decode in (decode_message, decode_response):
        with pytest.raises(BadFrame):
            decode(json.dumps(value).encode("utf-8", "surrogatepass"))
