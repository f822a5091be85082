"""Finding what a cancel means: by request or by job, among what is here and what is still on its way.

Cancels come on connections of their own, so one can overtake its request.
"""

from __future__ import annotations

import time
from typing import Final

from rrqmp.runner.messages import WireCancel, WireRequest
from rrqmp.runner.ticket import Ticket

# A request id is new for every attempt; a job's next attempt must not fall to a cancel of the one before.
_REQUEST_SECONDS: Final = 60.0
_JOB_SECONDS: Final = 1.0
_KEPT_MOST: Final = 10_000


class Cancellations:
    """Indexes the open tickets, and keeps for a while what named none of them."""

    def __init__(self) -> None:
        self._by_request: dict[str, list[Ticket]] = {}
        self._by_job: dict[str, list[Ticket]] = {}
        # Until when; in the order in which they came.
        self._early_requests: dict[str, float] = {}
        self._early_jobs: dict[str, float] = {}

    def add(self, ticket: Ticket) -> None:
        """A request has come."""
        self._by_request.setdefault(ticket.request.request_id, []).append(ticket)
        self._by_job.setdefault(ticket.request.job_id, []).append(ticket)

    def remove(self, ticket: Ticket) -> None:
        """It has been answered, or is not wanted any more; also twice."""
        _take(self._by_request, ticket.request.request_id, ticket)
        _take(self._by_job, ticket.request.job_id, ticket)

    def came_before(self, request: WireRequest) -> bool:
        """Whether its cancel was here first; one by request is used up by this."""
        now = time.monotonic()
        by_request = self._early_requests.pop(request.request_id, 0.0) > now
        return by_request or self._early_jobs.get(request.job_id, 0.0) > now

    def hit(self, order: WireCancel) -> list[Ticket]:
        """The open tickets that it names; if there are none, it is kept for those that come."""
        if order.request_id is not None:
            # By the request alone, as the official runners have it.
            found = self._by_request.get(order.request_id, [])
            if not found:
                _keep(self._early_requests, order.request_id, _REQUEST_SECONDS)
        else:
            found = self._by_job.get(order.job_id, [])
            if not found:
                _keep(self._early_jobs, order.job_id, _JOB_SECONDS)
        return list(found)


def _take(index: dict[str, list[Ticket]], key: str, ticket: Ticket) -> None:
    listed = index.get(key)
    if listed is None:
        return
    if ticket in listed:
        listed.remove(ticket)
    if not listed:
        del index[key]


def _keep(kept: dict[str, float], key: str, seconds: float) -> None:
    kept.pop(key, None)
    kept[key] = time.monotonic() + seconds
    if len(kept) > _KEPT_MOST:
        del kept[next(iter(kept))]
