"""The first example is the demo's application, word for word, so that what is read is what runs."""

from __future__ import annotations

from source_tree import PACKAGE, ROOT


def test_first_example_is_the_source_of_the_demo() -> None:
    example = (ROOT / "examples" / "measure.py").read_text(encoding="utf-8")
    assert example == (PACKAGE / "demo" / "application.py").read_text(encoding="utf-8")
