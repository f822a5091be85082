"""The store under random faults: what holds, and that each rule is what makes it hold.

RRQMP_EXPLORER_EPISODES sets how many episodes are played (default 40), RRQMP_EXPLORER_SEED the first one's seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrqmp.store.connection import BlockingConnection
from rrqmp.store.script import load_script
from tests.servers import debian_binary, debian_server, embedded_server
from tests.store.explorer.episode import Broken, Episode
from tests.store.explorer.moves import play_episode
from tests.store.explorer.removals import REMOVALS
from tests.store.explorer.shelf import Removal, Shelf, assert_edits_apply

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

EPISODES = int(os.environ.get("RRQMP_EXPLORER_EPISODES", "40"))
FIRST_SEED = int(os.environ.get("RRQMP_EXPLORER_SEED", "0"))
MOVES = 150
# A removal that is not noticed by then counts as unnoticed; most are noticed in the first ten.
PATIENCE = 150


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingConnection]:
    with embedded_server(tmp_path_factory.mktemp("valkey")) as server, BlockingConnection(server.url) as store:
        yield store


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingConnection]:
    if debian_binary() is None:
        pytest.skip("this system has no redis-server")
    directory: Path = tmp_path_factory.mktemp("redis")
    with debian_server(directory) as server, BlockingConnection(server.url) as store:
        yield store


def _play(store: BlockingConnection, seed: int, shelf: Shelf) -> None:
    play = Episode(store, f"explorer-{seed}", seed, shelf)
    try:
        play_episode(play, MOVES)
    finally:
        for name in store.command("KEYS", play.keys.root + "*"):
            store.command("DEL", name)


@pytest.mark.timeout(3600)
def test_invariants_hold_on_valkey_whatever_fails(valkey: BlockingConnection) -> None:
    shelf = Shelf()
    for seed in range(FIRST_SEED, FIRST_SEED + EPISODES):
        _play(valkey, seed, shelf)


@pytest.mark.timeout(3600)
def test_invariants_hold_on_redis_whatever_fails(redis: BlockingConnection) -> None:
    shelf = Shelf()
    for seed in range(FIRST_SEED, FIRST_SEED + EPISODES // 2):
        _play(redis, seed, shelf)


@pytest.mark.parametrize("removal", REMOVALS, ids=[removal.rule for removal in REMOVALS])
def test_the_store_breaks_without_the_rule_that(removal: Removal, valkey: BlockingConnection) -> None:
    assert _first_report(valkey, Shelf(removal)) is not None


def _first_report(store: BlockingConnection, shelf: Shelf) -> Broken | None:
    for seed in range(PATIENCE):
        try:
            _play(store, seed, shelf)
        except Broken as report:
            return report
    return None


def test_every_removal_still_finds_its_rule_in_a_script() -> None:
    folder = Path(__file__).parents[2] / "rrqmp" / "store" / "lua"
    sources = {path.stem: load_script(path.stem).source for path in folder.glob("*.lua")}
    for removal in REMOVALS:
        assert_edits_apply(removal, sources)
