"""The fixture with real workers: what runs is the application, in processes of their own."""

from __future__ import annotations

import os
from typing import Any

from rrqmp.testing import RealQueue


def test_activities_run_in_workers(rrqmp_queue: RealQueue, shop: Any) -> None:
    future = shop.executor.execute(shop.ship, shop.Order(3, 10.0))
    assert future.get_result(timeout=30) == 12.0
    record = future.record()
    assert record.attempts[-1].pid != os.getpid()
    assert shop.told == []
    assert rrqmp_queue.one("ship").payload == {"number": 3, "amount": 10.0}
    assert rrqmp_queue.queue.get_stats().completed_count == 2
