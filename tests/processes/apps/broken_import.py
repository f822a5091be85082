"""An application that fails while it is imported."""

from __future__ import annotations


def prepare() -> None:
    raise RuntimeError("the licence file is missing")


prepare()
