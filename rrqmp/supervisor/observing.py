"""What a supervisor shows to monitoring: its door, the counts behind it, and whether it is well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rrqmp.supervisor.measures import Measures
from rrqmp.supervisor.metrics_door import MetricsDoor, Reply
from rrqmp.supervisor.node import Node
from rrqmp.telemetry.extras import import_extra
from rrqmp.telemetry.shared_counts import CountsFile, SeriesTable

if TYPE_CHECKING:
    from rrqmp.supervisor.scraping import Scraper


class Observing:
    """`open` before anything else is started, `begin` once the workers' number is known, `serve` with the node."""

    def __init__(self, address: str) -> None:
        self.measures = Measures()
        self._door = MetricsDoor(address) if address else None
        self._scraper: Scraper | None = None

    def open(self) -> None:
        """Takes the address, if there is one. Raises `ConfigurationError`."""
        if self._door is not None:
            import_extra("rrqmp.telemetry.exposition", "prometheus", "metrics_address")
            self._door.open()

    @property
    def url(self) -> str:
        """Where a scraper finds the page; empty without a door."""
        return f"http://{self._door.address}/metrics" if self._door is not None else ""

    def begin(self, queues: Sequence[str], types: Sequence[str], pages: int) -> None:
        """Makes the memory that workers count in."""
        if self._door is not None:
            self.measures.counts = CountsFile(SeriesTable(queues, types), pages)

    async def serve(self, node: Node) -> None:
        """Begins to answer."""
        if self._door is None or self.measures.counts is None:
            return
        # Late: they stand on an extra.
        from rrqmp.supervisor.scraping import Scraper
        from rrqmp.telemetry.exposition import CONTENT_TYPE

        parts = node.parts
        scraper = self._scraper = Scraper(
            self.measures, self.measures.counts, node.crew, parts.store, parts.queues, parts.rules
        )

        async def metrics() -> Reply:
            return Reply(await scraper.page(), content_type=CONTENT_TYPE)

        async def healthz() -> Reply:
            # That it is answered at all is the health of the loop that kills at deadlines.
            return Reply(b"ok\n")

        async def readyz() -> Reply:
            reason = "stopping" if node.crew.draining else "" if node.lease.is_up else "Redis is away"
            return Reply(f"{reason}\n".encode(), "503 Service Unavailable") if reason else Reply(b"ok\n")

        await self._door.serve({"/metrics": metrics, "/healthz": healthz, "/readyz": readyz})

    async def close(self) -> None:
        """Gives everything up; may be called at any stage."""
        if self._door is not None:
            await self._door.close()
        if self._scraper is not None:
            await self._scraper.stop()
        self.measures.close()
