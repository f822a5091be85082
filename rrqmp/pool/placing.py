"""From the keywords of a pool to the place where its calls run; every wrong value is named before anything starts."""

from __future__ import annotations

from rrqmp.errors import ConfigurationError
from rrqmp.model.names import check_queue_name
from rrqmp.model.units import check_bytes
from rrqmp.pool.application import DEFAULT_LIMIT_BYTES
from rrqmp.pool.handler import Preparation
from rrqmp.pool.signing import Signer
from rrqmp.pool.site import LOCAL_LIMIT_BYTES, LocalSite, RemoteSite, Site
from rrqmp.settings.resolution import SettingsInputs
from rrqmp.settings.table import host_workers
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.url import parse_url

# How many calls one pool has under way on workers that it does not know the number of.
REMOTE_CALLS: int = 64
_DEFAULT_QUEUE = "default"


def check_workers(max_workers: object) -> int | None:
    """A number from 1, or none; the words are those of the standard library."""
    if max_workers is None:
        return None
    if not isinstance(max_workers, int) or isinstance(max_workers, bool):
        raise ConfigurationError(f"max_workers is {max_workers!r}: give a whole number")
    if max_workers < 1:
        raise ConfigurationError(f"max_workers must be greater than 0, and is {max_workers}")
    return max_workers


def local_place(
    max_workers: object, key: object, queue: object, payload_limit: int | str | None, preparation: Preparation
) -> tuple[Site, Signer, int]:
    """A site of the pool's own, under a key that nobody else ever learns."""
    for name, value in (("key", key), ("queue", queue)):
        if value is not None:
            raise ConfigurationError(f"{name} is for workers that serve a queue elsewhere: give redis_url too")
    workers = check_workers(max_workers) or host_workers()
    limit = LOCAL_LIMIT_BYTES if payload_limit is None else check_bytes(payload_limit, "payload_limit")
    site = LocalSite(workers, limit, preparation)
    return site, Signer(site.key, site.keys.queue), workers


def remote_place(
    max_workers: object, url: str, key: object, queue: str | None, payload_limit: int | str | None
) -> tuple[Site, Signer, int]:
    """A queue that is served by `rrqmp run --app rrqmp.pool.application:engine` somewhere."""
    calls = check_workers(max_workers) or REMOTE_CALLS
    settings = SettingsInputs().resolve().settings
    parse_url(url)
    keys = QueueKeys(check_queue_name(_DEFAULT_QUEUE if queue is None else queue), settings.prefix)
    # The key is looked at first: without one nothing else matters.
    signer = Signer(settings.key if key is None else key, keys.queue)
    limit = DEFAULT_LIMIT_BYTES if payload_limit is None else check_bytes(payload_limit, "payload_limit")
    rules = StoreRules(priority_aging=settings.priority_aging, max_crashes=1, max_losses=1)
    return RemoteSite(url, keys, rules, limit), signer, calls
