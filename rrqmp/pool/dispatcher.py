"""The one thread of a pool: sends calls a few ahead of what runs, and hands results to their futures.

It lives on messages: calls, ends of calls, orders. It holds no reference to the executor, so an executor that nobody
holds any more can be collected, and tells the thread so.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final, TypeAlias

import msgspec

from rrqmp.client.future import ActivityFuture
from rrqmp.client.preparation import chunks
from rrqmp.client.reach import Reach
from rrqmp.client.verdict import refusal
from rrqmp.errors import WorkerError
from rrqmp.model.codec import Codec
from rrqmp.model.spec import Spec, join_spec
from rrqmp.pool import leaving
from rrqmp.pool.breaking import PoolBroken
from rrqmp.pool.future import PoolFuture
from rrqmp.pool.opening import open_reply
from rrqmp.pool.signing import Direction, Signer
from rrqmp.pool.site import Site
from rrqmp.store.calls.enqueue import Acceptance, Submission, enqueue
from rrqmp.store.calls.forget import FORGET_BITE, forget

_RESULTS: Final = Codec(bytes)
_ACCEPTED: Final = (Acceptance.CREATED, Acceptance.EXISTS)


class Order(Enum):
    """What the thread may be told. Orders come after all calls that were submitted before them."""

    CLOSE = "finish what there is, then end"
    CANCEL = "cancel what the workers cannot take now"
    DROP = "cancel all that has not been sent"
    GONE = "the place where calls run is no more"


@dataclass(slots=True, eq=False)
class PendingCall:
    """One call on its way. `payload` is its sealed parcel as JSON."""

    future: PoolFuture[Any]
    payload: bytes
    spec: Spec
    priority: int


Message: TypeAlias = PendingCall | ActivityFuture[Any] | Order


class Ahead:
    """How many calls are handed over at once: one for each worker, and as many more as are done in some milliseconds.

    What is handed over cannot be cancelled any more, so it is few where calls are long.
    """

    __slots__ = ("_last", "_typical", "_workers")

    _SECONDS: Final = 0.01
    _MOST: Final = 400

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._typical = 1.0
        self._last = monotonic()

    def saw(self, ended: int) -> None:
        """Takes note of calls that have ended since the last time."""
        now = monotonic()
        each = (now - self._last) / ended
        self._last = now
        self._typical += (each - self._typical) / 4

    def most(self) -> int:
        """Calls that may be under way."""
        return self._workers + max(1, min(self._MOST, int(self._SECONDS / max(self._typical, 1e-6))))


class Dispatcher:
    """Owns the thread, what waits and what is under way. Started by the first call."""

    def __init__(self, site: Site, signer: Signer, workers: int) -> None:
        self._site = site
        self._signer = signer
        self._ahead = Ahead(workers)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._closed = False
        self._broken: PoolBroken | None = None
        self._gone = ""
        # Only the thread touches the rest.
        self._pending: deque[PendingCall] = deque()
        self._sent: dict[str, PendingCall] = {}
        self._fetched: list[str] = []
        self._heads: dict[tuple[Spec, str], bytes] = {}
        self._told_to_cancel = False
        self._told_to_close = False

    def submit(self, call: PendingCall) -> None:
        """Takes a call; raises `RuntimeError` where none are taken any more."""
        with self._lock:
            self.refuse_when_closed()
            if self._thread is None:
                self._site.prepare()
                self._thread = threading.Thread(target=self._run, name="rrqmp-pool")
                leaving.join_at_exit(self)
                self._thread.start()
            self._inbox.put(call)

    def refuse_when_closed(self) -> None:
        """Raises `RuntimeError`, as the standard library's executors do, or `PoolBroken`."""
        if self._pid != os.getpid():
            raise RuntimeError(f"this pool belongs to process {self._pid}: make a new one after a fork")
        if self._broken is not None:
            raise PoolBroken(str(self._broken)) from self._broken.__cause__
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if leaving.interpreter_leaves():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    def close(self, *, wait: bool, cancel: bool) -> None:
        """Takes no more calls; may be called twice, and in a forked child does nothing."""
        if self._pid != os.getpid():
            # The lock is not touched: another thread may have held it at the fork.
            return
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is None:
            return
        if cancel:
            self._inbox.put(Order.CANCEL)
        self._inbox.put(Order.CLOSE)
        if wait and thread is not threading.current_thread():
            thread.join()

    def abandon(self) -> None:
        """The executor is gone. Called by the collector, in any thread and at any point: it takes no lock."""
        self._closed = True
        self._inbox.put(Order.CLOSE)

    def interrupt(self) -> None:
        """Cancels what waits and stops at once what runs, where it runs in processes of the pool's own."""
        self._inbox.put(Order.DROP)
        self._site.interrupt()

    def _run(self) -> None:
        try:
            reach = self._site.open(self._on_gone)
            while self._step(reach):
                pass
            self._forget(reach, least=1)
        except BaseException as error:  # noqa: BLE001 - nobody else could tell the futures
            self._break(f"the pool cannot run calls: {error}", error)
        finally:
            self._site.close()
            leaving.forget(self)

    def _on_gone(self, reason: str) -> None:
        self._gone = reason
        self._inbox.put(Order.GONE)

    def _step(self, reach: Reach) -> bool:
        """Takes what has come, sends what may go; whether there is more to do."""
        before = len(self._sent)
        self._take(self._inbox.get())
        # All that is there: the more is sent at once, the less each costs.
        try:
            while True:
                self._take(self._inbox.get_nowait())
        except Empty:
            pass
        if ended := before - len(self._sent):
            self._ahead.saw(ended)
        if self._broken is not None:
            raise self._broken
        self._send(reach)
        if self._told_to_cancel:
            self._cancel_pending()
        self._forget(reach, least=FORGET_BITE)
        return bool(self._pending or self._sent or not self._told_to_close)

    def _take(self, message: Message) -> None:
        if isinstance(message, PendingCall):
            self._pending.append(message)
        elif isinstance(message, ActivityFuture):
            self._deliver(message)
        elif message is Order.CANCEL:
            # After sending: a pool that is shut down at once has run something, as the standard library's have.
            self._told_to_cancel = True
        elif message is Order.DROP:
            self._cancel_pending()
        elif message is Order.GONE:
            raise PoolBroken(self._gone)
        else:
            self._told_to_close = True

    def _deliver(self, ended: ActivityFuture[Any]) -> None:
        call = self._sent.pop(ended.activity_id, None)
        if call is None:
            return
        self._fetched.append(ended.activity_id)
        try:
            parcel = ended.get_result(timeout=0)
            value, error = open_reply(self._signer.open(Direction.RESULT, ended.activity_id, parcel), call.future.what)
        except BaseException as fault:  # noqa: BLE001 - unpickling runs user code
            # Where it was read says nothing to whom it is given.
            value, error = None, self._site.told(fault).with_traceback(None)
        if isinstance(error, PoolBroken):
            self._broken = error
        if error is None:
            call.future.set_result(value)
        else:
            call.future.set_exception(error)

    def _cancel_pending(self) -> None:
        while self._pending:
            future = self._pending.popleft().future
            future.cancel()
            # Tells those who wait for several at once.
            future.set_running_or_notify_cancel()

    def _send(self, reach: Reach) -> None:
        most = self._ahead.most()
        room = most - len(self._sent)
        if room < min(len(self._pending), most // 2):
            # A few at a time would cost a round trip each, and there is still work for everybody.
            return
        calls: list[PendingCall] = []
        while self._pending and len(calls) < room:
            call = self._pending.popleft()
            if call.future.set_running_or_notify_cancel():
                calls.append(call)
        if not calls:
            return
        reply = reach.reply_for(self._site.keys)
        by_id = {call.future.activity_id: call for call in calls}
        submissions = [self._submission(call, reply) for call in calls]
        for chunk in chunks(submissions):
            self._send_chunk(reach, chunk, by_id)

    def _send_chunk(self, reach: Reach, chunk: Sequence[Submission], by_id: dict[str, PendingCall]) -> None:
        futures = [self._awaited(reach, by_id[submission.activity_id].future) for submission in chunk]
        if chunk[0].reply:
            for future in futures:
                # Before it is sent: its end may be told before the answer is read.
                reach.announce(future)
        try:
            verdicts = reach.run(enqueue(self._site.keys, self._site.rules, chunk))
        except WorkerError as error:
            for submission in chunk:
                by_id[submission.activity_id].future.set_exception(error)
            return
        awaited = []
        for submission, verdict, future in zip(chunk, verdicts, futures, strict=True):
            call = by_id[submission.activity_id]
            if verdict.kind in _ACCEPTED:
                self._sent[submission.activity_id] = call
                awaited.append(future)
            else:
                call.future.set_exception(refusal(submission, verdict) or WorkerError(f"refused: {verdict.kind}"))
        # What has ended meanwhile is put at once.
        reach.expect(awaited, self._inbox.put)

    def _awaited(self, reach: Reach, future: PoolFuture[Any]) -> ActivityFuture[Any]:
        # Its errors name the function: the type is the same for all.
        return ActivityFuture(reach, self._site.keys, future.activity_id, future.what, _RESULTS, is_new=True)

    def _submission(self, call: PendingCall, reply: str) -> Submission:
        spec = call.spec
        # Their values cannot be looked up by.
        is_own = spec.metadata is not None or spec.trace is not None
        head = None if is_own else self._heads.get((spec, reply))
        if head is None:
            head = join_spec(msgspec.structs.replace(spec, reply=reply), b"")
            if not is_own and len(self._heads) < FORGET_BITE:
                self._heads[spec, reply] = head
        return Submission(
            call.future.activity_id,
            Direction.CALL.value,
            head + call.payload,
            priority=call.priority,
            reply=reply,
        )

    def _forget(self, reach: Reach, *, least: int) -> None:
        """Gives the server its memory back: nobody else asks for these results."""
        while len(self._fetched) >= least:
            bite, self._fetched = self._fetched[:FORGET_BITE], self._fetched[FORGET_BITE:]
            try:
                reach.run(forget(self._site.keys, bite))
            except WorkerError:
                # Their time to live does it too.
                return

    def _break(self, words: str, cause: BaseException) -> None:
        """Fails whatever is not done; from here on every submission is told."""
        error = cause if isinstance(cause, PoolBroken) else PoolBroken(words)
        if error is not cause:
            error.__cause__ = cause
        with self._lock:
            self._broken = error
        try:
            while True:
                message = self._inbox.get_nowait()
                if isinstance(message, PendingCall):
                    self._pending.append(message)
        except Empty:
            pass
        running, self._sent = self._sent, {}
        for call in running.values():
            call.future.set_exception(_again(error))
        while self._pending:
            future = self._pending.popleft().future
            if future.set_running_or_notify_cancel():
                future.set_exception(_again(error))


def _again(error: PoolBroken) -> PoolBroken:
    """One for each future: raising the same one in many threads would mix their tracebacks."""
    copy = PoolBroken(str(error))
    copy.__cause__ = error.__cause__
    return copy
