"""The board's file: where it lies, who may open it, what the former supervisor left in it."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from rrqmp.errors import ConfigurationError
from rrqmp.kernel import proc
from rrqmp.shared_state.board import MAGIC, STRIDE, Board, Head, open_board_file, try_lock
from rrqmp.shared_state.exit_report import ExitReport, decode_report

# The dead one's guard needs a moment to kill what holds the lock.
_LOCK_SECONDS: Final = 5.0
_LOCK_STEP: Final = 0.02


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a former supervisor of this name left: its node, its mark on processes, reports nobody has settled."""

    node: str
    mark: str
    reports: tuple[ExitReport, ...]


def board_path(runtime_dir: str, node: str) -> Path:
    """Where the board of a node lies."""
    return Path(runtime_dir) / f"{node}.board"


async def open_board(path: Path, pages: int) -> tuple[Board, Leftovers | None]:
    """Opens and locks the board. Raises `ConfigurationError` if a supervisor of this name is alive."""
    give_up = time.monotonic() + _LOCK_SECONDS
    while (descriptor := _open_locked(path, pages, last=time.monotonic() > give_up)) is None:
        await asyncio.sleep(_LOCK_STEP)
    board = Board(descriptor, max(pages, os.fstat(descriptor).st_size // STRIDE), writable=True)
    leftovers = _leftovers(board)
    return board, leftovers


def remove_board(board: Board, path: Path) -> None:
    """Removes the file of a board whose lock the caller holds: after a stop that left nothing to be taken back."""
    if _is_at(board.descriptor, path):
        path.unlink()


def take_over(board: Board, name: str, boot: str, mark: str) -> None:
    """Makes the board ours; what the former left in it is gone after this."""
    for page in board.pages:
        page.clear()
    head = board.head
    head[Head.MAGIC] = 0
    head[Head.DRAINING] = 0
    head[Head.SINGLY_UNTIL] = 0
    head[Head.NEXT_WAKE] = 0
    head[Head.PAGES] = len(board.pages) + 1
    head[Head.SUPERVISOR_PID] = os.getpid()
    head[Head.SUPERVISOR_START] = proc.start_time(os.getpid())
    board.write_identity(name, boot, mark)
    head[Head.MAGIC] = MAGIC


def _open_locked(path: Path, pages: int, *, last: bool) -> int | None:
    """The file, locked; `None` if another holds the lock, or has just removed the file that the lock was on."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_board_file(path, pages)
    except OSError as error:
        raise ConfigurationError(
            f"runtime_dir {str(path.parent)!r} cannot be used: {error}; give --runtime-dir"
        ) from None
    try:
        if path.parent.stat().st_uid != os.getuid():
            raise ConfigurationError(f"runtime_dir {str(path.parent)!r} belongs to somebody else: give --runtime-dir")
        if not try_lock(descriptor):
            if last:
                raise ConfigurationError(
                    f"a supervisor named {path.stem!r} is running (pid {_owner(descriptor, pages)}): stop it, "
                    "or give --node"
                )
        elif _is_at(descriptor, path):
            kept, descriptor = descriptor, -1
            return kept
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _owner(descriptor: int, pages: int) -> int:
    board = Board(os.dup(descriptor), pages, writable=False)
    try:
        return board.head[Head.SUPERVISOR_PID]
    finally:
        board.close()


def _leftovers(board: Board) -> Leftovers | None:
    if board.head[Head.MAGIC] != MAGIC or not board.boot:
        return None
    reports: list[ExitReport] = []
    for page in board.pages:
        stored = page.read_report()
        if stored:
            try:
                reports.append(decode_report(stored))
            except msgspec.MsgspecError:
                # Torn by the death of the one who wrote it: the activity goes back as a loss.
                continue
    return Leftovers(f"{board.name}@{board.boot}", board.mark, tuple(reports))
