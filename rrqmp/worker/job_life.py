"""The life of a worker whose jobs come from its supervisor: wait on the channel, run, answer; one job at a time."""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from rrqmp.handling.application import Application
from rrqmp.handling.jobs import Jobs, JobServer
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.shared_state import messages
from rrqmp.shared_state.board import ID_BYTES, TYPE_BYTES_MOST, Word, WorkerState
from rrqmp.shared_state.enclosing import disclose, enclosed
from rrqmp.shared_state.messages import Account, Answer, Drain, Idle, Job, Leaving, Settled, Take, WorkerConfig
from rrqmp.worker.board_signals import BoardSignals
from rrqmp.worker.dumps import Dumps
from rrqmp.worker.orphans import OrphanWatch
from rrqmp.worker.outlets import Outlets
from rrqmp.worker.record import Record
from rrqmp.worker.soft_limit import SoftLimit

_NS: Final = 1_000_000_000
_EXIT_CLEAN: Final = 0
_BODY_MOST: Final = 1 << 30
_log: Final = logging.getLogger("rrqmp.worker")


class JobSignals(BoardSignals):
    """For jobs, which have nobody to show their progress to and no record that a checkpoint could be kept in."""

    soft: SoftLimit | None = None

    def save(self, activity_id: str, checkpoint: bytes) -> bool:
        """Goes nowhere: the next attempt begins anew."""
        return True

    def saved(self, activity_id: str) -> bytes:
        """Nothing; the former job's is not this one's."""
        return b""

    def shield(self) -> AbstractContextManager[None]:
        """Holds off the soft limit."""
        return nullcontext() if self.soft is None else self.soft.shield()


class JobLife:
    """One worker process after its start. What its predecessor broke has been answered for by the supervisor."""

    def __init__(
        self, channel: socket.socket, record: Record, dumps: Dumps, config: WorkerConfig, application: Application
    ) -> None:
        self._channel = channel
        self._record = record
        self._dumps = dumps
        self._config = config
        self._application = application
        self._orphans = OrphanWatch()
        self._outlets = Outlets()
        self._jobs: Jobs | None = None
        self._soft: SoftLimit | None = None

    def run(self) -> int:
        """Lives until it is told to leave or finds its supervisor dead; the exit status."""
        take, _ = messages.receive(self._channel)
        if not isinstance(take, Take) or not isinstance(self._application, JobServer):
            return self._leave("unused")
        if take.inc > 1:
            messages.send(self._channel, Settled())
        signals = JobSignals(self._record.words)
        jobs = self._jobs = self._application.open_jobs(signals)
        self._soft = signals.soft = SoftLimit(self._record.words, jobs.invoker)
        self._set_up(jobs, take)
        self._record.become(WorkerState.IDLE)
        messages.send(self._channel, Idle())
        while not self._orphans.too_many():
            message, descriptors = messages.receive(self._channel)
            match message:
                case Job():
                    self._run(jobs, message, descriptors)
                case Account():
                    jobs.tell(message.body)
                case None | Drain():
                    # The end of the stream is the supervisor's death; the kernel is about to kill us for it.
                    return self._leave("drained")
                case _:
                    raise RuntimeError(f"a worker for jobs was sent {message!r}")
        return self._leave("recycled")

    def _set_up(self, jobs: Jobs, take: Take) -> None:
        """All handlers at once, before the first job: a job's deadline is its client's, and leaves no time for this."""
        worker = WorkerInfo(take.node, take.slot, os.getpid(), ())
        left_alone = {kind for kind, _ in take.aside}
        for registration in self._application.registry:
            kind = registration.activity_type
            if kind not in jobs.invoker.not_set_up or kind in left_alone:
                continue
            self._record.page.write_activity(b" " * ID_BYTES, kind.encode()[:TYPE_BYTES_MOST])
            self._record.begin_uncharged(WorkerState.SETTING_UP, round(registration.setup_timeout * _NS))
            failure = jobs.invoker.set_up(kind, worker)
            self._record.end_uncharged()
            self._dumps.mend()
            if failure is not None:
                _log.error(
                    "setup of %s failed; its first job here tries again, inside its own deadline: %s: %s\n%s",
                    kind,
                    failure.error,
                    failure.message,
                    failure.traceback.rstrip(),
                )

    def _run(self, jobs: Jobs, job: Job, descriptors: list[int]) -> None:
        """From the first word on the board a death is charged to this job, the decoding of its body included."""
        self._outlets.mend()
        # Names the job in a report of this process's death, so that none is charged with another's.
        self._record.hold(b"", 0, job.number, 0)
        self._record.begin(
            job.activity_id.encode("ascii", "replace").ljust(ID_BYTES)[:ID_BYTES],
            job.activity_type.encode(),
            job.attempt,
            self._time_left(jobs, job),
            0,
            more=False,
            soft_ns=self._soft_ns(jobs, job),
        )
        body = jobs.run(disclose(job.body, descriptors, _BODY_MOST), job.deadline_ns, job.waiting)
        # Waits here if it is being killed: then the supervisor answers, and this answer is never sent.
        self._record.end()
        self._record.words[Word.SOFT] = 0
        self._dumps.mend()
        with enclosed(body) as (inline, enclosures):
            messages.send(self._channel, Answer(number=job.number, body=inline), enclosures)
        self._record.become(WorkerState.IDLE)
        self._orphans.reap()

    def _time_left(self, jobs: Jobs, job: Job) -> int:
        left = job.deadline_ns - time.monotonic_ns()
        own = jobs.time_limit(job.activity_type)
        return max(1, left if own is None else min(left, round(own * _NS)))

    def _soft_ns(self, jobs: Jobs, job: Job) -> int:
        seconds = jobs.soft_limit(job.activity_type)
        if not seconds or self._soft is None:
            return 0
        self._soft.arm()
        return round(seconds * _NS)

    def tear_down(self) -> int:
        """Takes back what handlers have set up, and sends what is still to be told; how many raised is told nobody."""
        if self._jobs is not None:
            self._jobs.close()
        return 0

    def close_telemetry(self) -> None:
        """Has been closed with the jobs."""

    def _leave(self, reason: str) -> int:
        self._record.become(WorkerState.LEAVING)
        try:
            messages.send(self._channel, Leaving(reason=reason))
        except OSError:
            pass
        return _EXIT_CLEAN
