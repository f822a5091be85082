"""The benchmark application with 200 MiB of objects in it: page tables that every fork has to copy."""

from __future__ import annotations

from typing import Final

from benchmarks.apps import make_engine

_OBJECT_BYTES: Final = 4096
# Small objects and not one block: a block may lie in huge pages, which no real import gets.
CONTENT: Final = [
    bytes(_OBJECT_BYTES - 64) + number.to_bytes(4, "little") for number in range(200 * 2**20 // _OBJECT_BYTES)
]

engine = make_engine()
