"""A script and one call of it: the description that blocking and asynchronous connections share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from rrqmp.store.keys import LAYOUT_VERSION, SUFFIXES

R = TypeVar("R")
Argument: TypeAlias = bytes | str | int

_USES: Final = re.compile(r"^-- USES (.*)$", re.MULTILINE)
_PLACEHOLDER: Final = re.compile(r"@(\w+)@")
_COMMENT: Final = re.compile(r"^\s*--.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One script as the server knows it."""

    name: str
    source: str
    sha: str


class Call(NamedTuple, Generic[R]):
    """One call: what is sent, how the reply is read, and whether it is resent without end.

    A tuple and not a dataclass: one is made for every activity. `read` gets the reply as the parser leaves it (bytes,
    int, None, lists) and is the only place that counts its positions.
    """

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]
    read: Callable[[Any], R]
    endless: bool = False


def make_script(name: str, source: str) -> Script:
    """A script of this text."""
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@cache
def load_script(name: str) -> Script:
    """The script of `lua/<name>.lua`, put together from the fragments that it names and from the key table."""
    return make_script(name, assemble(read_lua(name), read_lua))


def read_lua(name: str) -> str:
    """The text of one Lua file as it lies in the package."""
    return files("rrqmp.store").joinpath("lua", f"{name}.lua").read_text("utf-8")


def assemble(body: str, read_fragment: Callable[[str], str]) -> str:
    """Puts the fragments of the `-- USES` line before the body, fills in key texts and drops comment lines."""
    uses = _USES.search(body)
    names = uses.group(1).split() if uses else []
    text = "\n".join([*(read_fragment(f"fragments/{name}") for name in names), body])
    return _COMMENT.sub("", _PLACEHOLDER.sub(_key_text, text))


def _key_text(found: re.Match[str]) -> str:
    return str(LAYOUT_VERSION) if found[1] == "layout" else SUFFIXES[found[1]]
