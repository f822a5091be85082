"""What the supervisor found out about a death: the one record of it that an operator reads and a successor settles."""

from __future__ import annotations

import msgspec

from rrqmp.model.attempt import Attempt, AttemptKind


class BrokenAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The attempt that a death is charged to. `after_return`: the handler had returned, its result was on its way."""

    queue: str
    activity_id: str
    activity_type: str
    token: str
    kind: AttemptKind
    attempt: int
    run_seconds: float
    cpu_seconds: float
    after_return: bool = False


class ExitReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One worker's end. `peak_bytes` is its own, beyond what it shared at the fork; `stack` is faulthandler's text.

    `summary` is one word for people: left, crashed, timed_out, cancelled, out_of_memory, released, fenced, killed.
    `deaths` counts the successors that died while they settled this report.
    """

    summary: str
    node: str
    pid: int
    slot: int | None
    inc: int
    ended_at: float
    life_seconds: float
    cpu_seconds: float
    peak_bytes: int | None = None
    signal: str = ""
    exit_code: int | None = None
    where: str = ""
    stack: str = ""
    notes: tuple[str, ...] = ()
    broken: BrokenAttempt | None = None
    deaths: int = 0

    def attempt(self, node_name: str) -> Attempt:
        """The broken attempt as it is kept with its activity."""
        broken = self.broken
        if broken is None:
            raise ValueError("this death broke no attempt")
        return Attempt(
            kind=broken.kind,
            attempt=broken.attempt,
            message=self.describe(),
            where=self.where,
            stack=self.stack,
            signal=self.signal,
            exit_code=self.exit_code,
            run_seconds=broken.run_seconds,
            cpu_seconds=broken.cpu_seconds,
            peak_bytes=self.peak_bytes,
            node=node_name,
            slot=self.slot,
            pid=self.pid,
            ended_at=self.ended_at,
            notes=self.notes,
        )

    def describe(self) -> str:
        """The death in a few words: what ended it, and where."""
        how = self.signal or (f"exit code {self.exit_code}" if self.exit_code is not None else "no status")
        place = f" at {self.where}" if self.where else ""
        if self.broken is None:
            return f"{self.summary} ({how})"
        if self.broken.after_return:
            return f"{self.summary} ({how}) after the handler returned"
        if self.broken.kind is AttemptKind.TIMED_OUT:
            return f"killed at its deadline{place}"
        return f"{self.summary} ({how}{place})"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ExitReport)


def encode_report(report: ExitReport) -> bytes:
    """The report as it lies in the board and travels to the successor."""
    return _encoder.encode(report)


def decode_report(stored: bytes) -> ExitReport:
    """Reads a report; raises `msgspec.MsgspecError` on anything else."""
    return _decoder.decode(stored)
