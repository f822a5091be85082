"""A scraper: what a supervisor's page says, by sample name and labels."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.processes.harness import Supervised, eventually

APPS = Path(__file__).parent / "apps"


class Page:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """One sample; 0 for one that was never counted."""
        return self.samples.get((f"rrqmp_{name}", frozenset(labels.items())), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """All samples of the name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == f"rrqmp_{name}" and wanted <= has)


def address(running: Supervised) -> str:
    """Where it serves; its port was left to the system."""
    running.logged("metrics http://")
    found = re.search(r"metrics http://(\S+)/metrics", running.log)
    assert found is not None
    return found[1]


def get(running: Supervised, path: str = "/metrics") -> tuple[int, str, Mapping[str, str]]:
    """Status, body, headers."""
    request = urllib.request.Request(f"http://{address(running)}{path}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def scrape(running: Supervised) -> Page:
    """The page as it is now."""
    status, text, _ = get(running)
    assert status == 200, text
    return Page(text)


def scraped(running: Supervised, condition: Callable[[Page], Any]) -> Page:
    """The first page for which it holds."""
    pages: list[Page] = []

    def look() -> bool:
        pages.append(scrape(running))
        return bool(condition(pages[-1]))

    eventually(look, seen=lambda: (pages[-1].text, running.log[-2000:]))
    return pages[-1]
