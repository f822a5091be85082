"""Where a page ended, as one word that a shell and a URL leave as it is."""

from __future__ import annotations

import base64
import binascii

import msgspec

from rrqmp.errors import ConfigurationError
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.listing import Place


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """A place in an index and not a number of rows: what others do between two pages moves nothing.

    `group` is the type or the node whose turn it was, where a status lies in several indexes.
    """

    status: ActivityStatus
    score: str
    member: str
    group: str = ""

    @property
    def place(self) -> Place:
        """The point in the index."""
        return Place(self.score, self.member)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Cursor)


def encode_cursor(cursor: Cursor) -> str:
    """The word."""
    # A stranger's member may hold surrogates, which JSON has no place for; such a one is passed over with its bytes.
    plain = msgspec.structs.replace(cursor, member=cursor.member.encode(errors="surrogateescape").decode("latin-1"))
    return base64.urlsafe_b64encode(_encoder.encode(plain)).decode().rstrip("=")


def decode_cursor(word: str, status: ActivityStatus) -> Cursor | None:
    """Reads the word, `None` for an empty one; raises `ConfigurationError` on any other."""
    if not word:
        return None
    if not isinstance(word, str):
        raise ConfigurationError(f"cursor is {word!r}: give that of the page before, or none")
    try:
        padded = word.encode() + b"=" * (-len(word) % 4)
        plain = _decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
        if plain.status is not status:
            raise ValueError(f"it is of a list of {plain.status}")
        # Goes into a script as a number.
        float(plain.score)
        member = plain.member.encode("latin-1").decode(errors="surrogateescape")
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"{word[:80]!r} is no cursor of a list of {status} ({error}): give that of the page before, or none"
        ) from None
    return msgspec.structs.replace(plain, member=member)
