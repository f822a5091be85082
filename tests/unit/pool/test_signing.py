"""Parcels: opened for the one use they were sealed for, refused whatever else is made of them."""

from __future__ import annotations

import time

import msgspec
import pytest

from rrqmp.errors import ConfigurationError, SignatureRefused
from rrqmp.model.ids import new_activity_id
from rrqmp.pool.signing import Direction, Signer, text_bytes

KEY = b"k" * 32
ID = new_activity_id()
SIGNER = Signer(KEY, "q")


def sealed(body: bytes = b"body", valid_seconds: float = 60) -> bytes:
    return SIGNER.seal(Direction.CALL, ID, body, valid_seconds=valid_seconds)


@pytest.mark.parametrize("body", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_what_was_sealed_is_opened(body: bytes) -> None:
    assert SIGNER.open(Direction.CALL, ID, sealed(body)) == body


def test_every_flipped_bit_is_refused() -> None:
    parcel = sealed(b"some body")
    for place in range(len(parcel) * 8):
        altered = bytearray(parcel)
        altered[place // 8] ^= 1 << place % 8
        with pytest.raises(SignatureRefused):
            SIGNER.open(Direction.CALL, ID, bytes(altered))


def refused_as_text(text: bytes) -> bool:
    try:
        SIGNER.open(Direction.CALL, ID, msgspec.json.decode(text, type=bytes))
    except (SignatureRefused, msgspec.DecodeError):
        return True
    return False


@pytest.mark.parametrize("length", [4, 5, 6])
def test_every_other_letter_of_a_parcel_as_it_is_sent_is_refused(length: int) -> None:
    text = msgspec.json.encode(sealed(b"x" * length))
    assert not refused_as_text(text)
    for place in range(1, len(text) - 1):
        for other in range(256):
            if other != text[place]:
                assert refused_as_text(text[:place] + bytes([other]) + text[place + 1 :])


def test_every_cut_and_every_addition_is_refused() -> None:
    parcel = sealed()
    for place in range(len(parcel)):
        with pytest.raises(SignatureRefused):
            SIGNER.open(Direction.CALL, ID, parcel[:place])
    for more in (b"\0", b"A", b"AAA", b"\0\0\0"):
        with pytest.raises(SignatureRefused):
            SIGNER.open(Direction.CALL, ID, parcel + more)


@pytest.mark.parametrize("length", range(7))
def test_size_as_it_is_sent_is_known(length: int) -> None:
    parcel = sealed(b"x" * length)
    assert text_bytes(parcel) == len(msgspec.json.encode(parcel))


def test_call_cannot_stand_for_a_result() -> None:
    with pytest.raises(SignatureRefused):
        SIGNER.open(Direction.RESULT, ID, sealed())


def test_parcel_counts_for_one_activity_of_one_queue_under_one_key() -> None:
    for signer, activity_id in (
        (SIGNER, new_activity_id()),
        (Signer(KEY, "other"), ID),
        (Signer(b"j" * 32, "q"), ID),
        # Letters that move from one word to the next.
        (Signer(KEY, "q" + ID[0]), ID[1:]),
    ):
        with pytest.raises(SignatureRefused):
            signer.open(Direction.CALL, activity_id, sealed())


def test_parcel_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    parcel = sealed(valid_seconds=60)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    with pytest.raises(SignatureRefused, match="expired 1 s ago; raise valid_for"):
        SIGNER.open(Direction.CALL, ID, parcel)


def test_expiry_cannot_be_moved() -> None:
    parcel = bytearray(sealed(valid_seconds=0.001))
    parcel[34:42] = round((time.time() + 3600) * 1000).to_bytes(8)
    with pytest.raises(SignatureRefused, match="altered"):
        SIGNER.open(Direction.CALL, ID, bytes(parcel))


@pytest.mark.parametrize("key", ["", None, b"", "fifteen letters", b"x" * 15, 12345678901234567])
def test_missing_and_weak_keys_are_refused_without_being_shown(key: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Signer(key, "q")
    if key:
        assert str(key) not in str(caught.value)
    else:
        assert "RRQMP_KEY" in str(caught.value)
        assert "key=" in str(caught.value)


def test_text_and_bytes_are_the_same_key() -> None:
    assert Signer("k" * 32, "q").open(Direction.CALL, ID, sealed()) == b"body"
