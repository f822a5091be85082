"""Links between the pages lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
pytestmark = pytest.mark.once


def test_links_lead_to_files() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    dead = [
        f"{page.name}: {link}"
        for page in pages
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not dead


def test_readme_names_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in sorted((ROOT / "docs").glob("*.md")) if f"docs/{page.name}" not in readme]
