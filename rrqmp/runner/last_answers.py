"""Answers in the place of workers that are being killed: given when they are due, whatever else the loop has to do."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import Final

from rrqmp.runner.ticket import Ticket

# A process is mostly dead some milliseconds after the order. Its request is answered then, or after this at the latest.
_DEATH_SECONDS: Final = 0.015


class LastAnswers:
    """Where many die at once, the looks into their deaths stand between the loop and its timers: so both ask here."""

    def __init__(self, give: Callable[[Ticket], None]) -> None:
        self._give = give
        self._due: collections.deque[tuple[float, Ticket]] = collections.deque()

    def expect(self, ticket: Ticket) -> None:
        """The ticket's process is to die; in the place of its own timer stands that of its answer."""
        if ticket.timer is not None:
            ticket.timer.cancel()
        soon = min(_DEATH_SECONDS, ticket.deadline.ahead / 2) if ticket.deadline.ahead else _DEATH_SECONDS
        loop = asyncio.get_running_loop()
        ticket.timer = loop.call_later(soon, self._give_to, ticket)
        self._due.append((loop.time() + soon, ticket))

    def give_what_is_due(self) -> None:
        """Answers whatever has waited for its process for long enough."""
        now = asyncio.get_running_loop().time()
        while self._due and (self._due[0][0] <= now or not self._due[0][1].is_condemned):
            _, ticket = self._due.popleft()
            if ticket.is_condemned:
                self._give(ticket)

    def _give_to(self, ticket: Ticket) -> None:
        if ticket.is_condemned:
            self._give(ticket)
        self.give_what_is_due()
