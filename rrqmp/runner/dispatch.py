"""Requests to idle workers, one at a time each, and every request to its one answer, whatever its worker does."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable, Iterable
from typing import Final

from rrqmp.model.attempt import AttemptKind
from rrqmp.runner.accounts import make_account
from rrqmp.runner.cancellations import Cancellations
from rrqmp.runner.frames import FRAME_MOST, BadFrame
from rrqmp.runner.last_answers import LastAnswers
from rrqmp.runner.messages import (
    CANCELLED_TYPE,
    TIMEOUT_TYPE,
    OutcomeStatus,
    WireCancel,
    WireRequest,
    decode_response,
    refusal,
)
from rrqmp.runner.ticket import Ticket, TicketStage
from rrqmp.shared_state import messages
from rrqmp.shared_state.board import KillReason, Word
from rrqmp.shared_state.enclosing import disclose, enclosed
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport
from rrqmp.shared_state.messages import Account, Answer, Idle
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle

# A job that its worker has been sent and has not begun: looked at so often, then the worker is killed as it stands.
_BEGIN_SECONDS: Final = 0.002
_BEGIN_LOOKS: Final = 5
_RETURNS_MOST: Final = 3
# What is not wanted any more is passed over when its turn comes; more than this is cleared away.
_STALE_MOST: Final = 1024
_ACCOUNTS_MOST: Final = 1000
_ACCOUNT_BYTES: Final = 64 * 1024
_NS: Final = 1e9


class Dispatcher:
    """Owns the tickets; told by the server what comes in, by the crew what workers say and how they die."""

    def __init__(self, ladder: Ladder, allowance: Callable[[], int]) -> None:
        self._ladder = ladder
        self._allowance = allowance
        self._queue: collections.deque[Ticket] = collections.deque()
        self._idle: list[WorkerHandle] = []
        # By slot and process: what a worker has been given and has not answered.
        self._given: dict[tuple[int, int], Ticket] = {}
        self.cancellations = Cancellations()
        self._last_answers = LastAnswers(lambda ticket: self._close(ticket, ticket.refusal))
        self._numbers = 0
        self._pumping = False
        # For the next idle worker's telemetry; kept only where somebody wants them.
        self.tells = False
        self._accounts: collections.deque[bytes] = collections.deque(maxlen=_ACCOUNTS_MOST)

    @property
    def running(self) -> int:
        """Requests that a worker has been given."""
        return len(self._given)

    def next_number(self) -> int:
        """Numbers tickets, from 1."""
        self._numbers += 1
        return self._numbers

    # What comes in.

    def submit(self, ticket: Ticket) -> None:
        """Takes a request over: it will be answered once, unless its connection is dropped."""
        self.cancellations.add(ticket)
        at = ticket.deadline.ns / _NS
        # The loop's clock is the monotonic clock, in seconds.
        ticket.timer = asyncio.get_running_loop().call_at(at, self._expire, ticket)
        if self.cancellations.came_before(ticket.request):
            self._cancel(ticket)
            return
        self._queue.append(ticket)
        self._pump_soon()

    def cancel(self, order: WireCancel) -> None:
        """Ends what the order names, also what is still on its way here."""
        for ticket in self.cancellations.hit(order):
            ticket.cancelled_by = "job" if order.request_id is None else "request"
            self._cancel(ticket)

    def account(self, request: WireRequest, body: bytes) -> None:
        """Keeps the account of a request that was answered before it had a ticket."""
        if self.tells:
            self._accounts.append(make_account(request, body, 0.0, begun=False))
            self._pump_soon()

    def drop(self, tickets: Iterable[Ticket]) -> None:
        """Nobody waits for these any more: their connection has ended."""
        for ticket in tickets:
            if ticket.stage is TicketStage.RUNNING:
                self._end(ticket, KillReason.CANCELLED, b"")
            self._tell(ticket, refusal(ticket.request, "its connection was closed", CANCELLED_TYPE))
            self._forget(ticket)
        if len(self._queue) > _STALE_MOST:
            self._queue = collections.deque(ticket for ticket in self._queue if ticket.waits)

    def resume(self, held: Iterable[Ticket]) -> None:
        """These waited for their client to read its answers."""
        self._queue.extendleft(reversed([ticket for ticket in held if ticket.waits]))
        self._pump_soon()

    # What workers say.

    def on_word(self, handle: WorkerHandle, message: Idle | Answer, descriptors: list[int]) -> None:
        """A worker is idle, or has answered and thereby is."""
        key = _key(handle)
        body = disclose(message.body if isinstance(message, Answer) else b"", descriptors, FRAME_MOST)
        ticket = self._given.get(key)
        if isinstance(message, Idle) and ticket is None:
            self._free(handle)
        elif isinstance(message, Answer) and ticket is not None and ticket.number == message.number:
            del self._given[key]
            self._answered(ticket, body)
            self._free(handle)
        else:
            LOGGER.warning("a handler in %s wrote into a descriptor that is not its own: killed", handle)
            self._ladder.kill(handle)

    def on_death(self, report: ExitReport) -> None:
        """A worker has died: what it had been given is answered, or given to another if it had not begun it."""
        self._last_answers.give_what_is_due()
        if report.slot is None:
            return
        ticket = self._given.pop((report.slot, report.inc), None)
        if ticket is not None and ticket.stage is not TicketStage.ANSWERED:
            self._answer_for_the_dead(ticket, report)
        self._pump_soon()

    def _answered(self, ticket: Ticket, body: bytes) -> None:
        if ticket.stage is TicketStage.ANSWERED:
            return
        request = ticket.request
        try:
            response = decode_response(body)
            if (response.job_id, response.request_id) != (request.job_id, request.request_id) or len(body) > FRAME_MOST:
                raise BadFrame("an answer to another request")
        except BadFrame as fault:
            body = refusal(request, f"the worker's answer could not be read: {fault}")
        self._forget(ticket)
        ticket.client.answer(ticket, body)

    def _answer_for_the_dead(self, ticket: Ticket, report: ExitReport) -> None:
        broken = report.broken
        if ticket.refusal:
            self._close(ticket, _with_place(ticket, report) or ticket.refusal)
        elif broken is not None and broken.token.rpartition(".")[2] == str(ticket.number):
            self._close(ticket, _for_broken(ticket, report, broken))
        elif ticket.returned < _RETURNS_MOST:
            # It left or died between two jobs, with this one unread.
            ticket.returned += 1
            ticket.stage, ticket.worker = TicketStage.QUEUED, None
            self._queue.appendleft(ticket)
        else:
            self._close(ticket, refusal(ticket.request, f"its worker died before it could begin: {report.describe()}"))

    def _free(self, handle: WorkerHandle) -> None:
        if handle.ordered is KillReason.NONE and not handle.sentenced:
            self._idle.append(handle)
            self._pump_soon()

    # Giving.

    def _pump_soon(self) -> None:
        # Not at once: what was read from the channel of a dead process must not be given the next job.
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        self._send_accounts()
        while self._queue and self._idle and len(self._given) < self._allowance():
            ticket = self._queue.popleft()
            if not ticket.waits or ticket.client.congested:
                # The client keeps what waits for it, and brings it again.
                continue
            handle = self._idle.pop()
            if handle.stage is not Stage.READY or handle.sentenced or not self._give(ticket, handle):
                self._queue.appendleft(ticket)

    def _send_accounts(self) -> None:
        while self._accounts and self._idle:
            # That which is given its next job last, and so may be killed last, before it has sent what it was told.
            handle = self._idle[0]
            if len(self._accounts[0]) > _ACCOUNT_BYTES:
                # Names of that length are nobody's, and no packet holds them.
                self._accounts.popleft()
                continue
            if handle.stage is not Stage.READY or handle.sentenced:
                del self._idle[0]
                continue
            try:
                messages.send(handle.channel, Account(body=self._accounts[0]))
            except OSError:
                # It reads slowly, or is dead: the next answer of anybody brings another chance.
                return
            self._accounts.popleft()

    def _give(self, ticket: Ticket, handle: WorkerHandle) -> bool:
        try:
            with enclosed(ticket.body) as (inline, descriptors):
                packet = ticket.job(inline, len(self._queue))
                try:
                    messages.send(handle.channel, packet, descriptors)
                except (BrokenPipeError, ConnectionResetError):
                    # Dead already; its pidfd says so next.
                    return False
                except OSError:
                    self._ladder.kill(handle)
                    return False
        except Exception as fault:  # noqa: BLE001 - whatever is wrong with this request, it is not the worker's fault
            LOGGER.exception("a request could not be given to a worker; please report this")
            self._close(ticket, refusal(ticket.request, f"it could not be given to a worker: {fault}"))
            self._idle.append(handle)
            return False
        ticket.stage, ticket.worker, ticket.given_ns = TicketStage.RUNNING, handle, time.monotonic_ns()
        self._given[_key(handle)] = ticket
        return True

    # Ending.

    def _expire(self, ticket: Ticket) -> None:
        if ticket.stage is TicketStage.QUEUED:
            self._close(ticket, _timed_out(ticket, "no worker was free before its deadline"))
        elif ticket.stage is TicketStage.RUNNING:
            self._end(ticket, KillReason.TIMED_OUT, _timed_out(ticket, "killed at its deadline"))

    def _cancel(self, ticket: Ticket) -> None:
        answer = refusal(ticket.request, "Job cancelled", CANCELLED_TYPE)
        if ticket.stage is TicketStage.QUEUED:
            self._close(ticket, answer)
        elif ticket.stage is TicketStage.RUNNING:
            self._end(ticket, KillReason.CANCELLED, answer)

    def _end(self, ticket: Ticket, reason: KillReason, answer: bytes) -> None:
        """Kills the process; the answer goes when it is dead, or soon in any case."""
        ticket.stage, ticket.refusal = TicketStage.CONDEMNED, answer
        self._last_answers.expect(ticket)
        self._kill(ticket, reason, _BEGIN_LOOKS)

    def _kill(self, ticket: Ticket, reason: KillReason, looks: int) -> None:
        handle = ticket.worker
        if handle is None or handle.stage is Stage.DEAD or self._given.get(_key(handle)) is not ticket:
            return
        words = handle.page.words
        if handle.ordered is not KillReason.NONE:
            # Its own limit has come in the same moment.
            return
        if words[Word.CLAIM_SEQ] == ticket.number and self._ladder.condemn(handle, words[Word.SEQ], reason):
            self._ladder.strike(handle)
        elif looks:
            # It has not begun yet, or has ended and its answer is under way.
            asyncio.get_running_loop().call_later(_BEGIN_SECONDS, self._kill, ticket, reason, looks - 1)
        else:
            # Nobody else's work is in it: a worker has one job from its order to its answer.
            handle.ordered = reason
            self._ladder.kill(handle)

    def _close(self, ticket: Ticket, body: bytes) -> None:
        """Answers in a worker's place, at once: here an orchestrator's timer may be close."""
        self._tell(ticket, body)
        self._forget(ticket)
        ticket.client.answer(ticket, body, at_once=True)

    def _tell(self, ticket: Ticket, body: bytes) -> None:
        if self.tells and ticket.stage is not TicketStage.ANSWERED:
            begun = ticket.worker is not None
            seconds = (time.monotonic_ns() - (ticket.given_ns or ticket.arrived_ns)) / _NS
            self._accounts.append(make_account(ticket.request, body, seconds, begun=begun, scope=ticket.cancelled_by))
            self._pump_soon()

    def _forget(self, ticket: Ticket) -> None:
        self.cancellations.remove(ticket)
        ticket.close()


def _key(handle: WorkerHandle) -> tuple[int, int]:
    return (handle.slot.number if handle.slot else -1, handle.inc)


def _timed_out(ticket: Ticket, how: str) -> bytes:
    return refusal(ticket.request, f"{ticket.request.function_name} {how}", TIMEOUT_TYPE, OutcomeStatus.TIMEOUT)


def _with_place(ticket: Ticket, report: ExitReport) -> bytes:
    """The answer for one that was killed as ordered, with the line it was stuck at."""
    if report.broken is not None and report.broken.kind is AttemptKind.TIMED_OUT and report.where:
        return _timed_out(ticket, report.describe())
    return b""


def _for_broken(ticket: Ticket, report: ExitReport, broken: BrokenAttempt) -> bytes:
    """The answer for one whose death was not ordered here, or by its handler's own limit."""
    if broken.kind is AttemptKind.TIMED_OUT:
        return _timed_out(ticket, report.describe())
    return refusal(ticket.request, f"{ticket.request.function_name} {report.describe()}", broken.kind.value)
