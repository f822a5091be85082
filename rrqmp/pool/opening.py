"""The client's side of a reply: a value, or the exception that its future gets."""

from __future__ import annotations

import pickle
from typing import Any, Final

import msgspec

from rrqmp.pool.breaking import PoolBroken
from rrqmp.pool.pickling import RemoteTraceback, Reply, ReplyKind, error_of

_decoder: Final = msgspec.msgpack.Decoder(Reply)


def open_reply(body: bytes, what: str) -> tuple[Any, BaseException | None]:
    """The value and no error, or the error; raises what unpickling the value raises. `body` was signed."""
    reply = _decoder.decode(body)
    if reply.kind is ReplyKind.RETURNED:
        return pickle.loads(reply.pickled), None
    if reply.kind is ReplyKind.UNREADY:
        error = PoolBroken(f"the pool's initializer raised {reply.words}")
        error.__cause__ = RemoteTraceback(reply.trace)
        return None, error
    return None, error_of(reply, what)
