"""The board's file: one supervisor at a time, nothing left after a clean stop, leftovers found after a death."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from rrqmp.errors import ConfigurationError
from rrqmp.shared_state.exit_report import ExitReport, encode_report
from rrqmp.supervisor import node_board
from rrqmp.supervisor.node_board import board_path, open_board, remove_board, take_over

BOOT, MARK = "0123456789abcdef", "fedcba9876543210"
REPORT = ExitReport(
    summary="crashed", node=f"n@{BOOT}", pid=1, slot=0, inc=1, ended_at=1.0, life_seconds=1.0, cpu_seconds=1.0
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return board_path(str(tmp_path / "run"), "n")


def test_fresh_board_has_no_leftovers_and_is_private(path: Path) -> None:
    board, leftovers = asyncio.run(open_board(path, 3))
    assert leftovers is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    board.close()


def test_next_one_finds_name_mark_and_reports(path: Path) -> None:
    board, _ = asyncio.run(open_board(path, 3))
    take_over(board, "n", BOOT, MARK)
    board.pages[1].write_report(encode_report(REPORT))
    board.close()
    board, leftovers = asyncio.run(open_board(path, 3))
    assert leftovers is not None
    assert (leftovers.node, leftovers.mark, leftovers.reports) == (f"n@{BOOT}", MARK, (REPORT,))
    board.close()


def test_torn_report_is_passed_over(path: Path) -> None:
    board, _ = asyncio.run(open_board(path, 3))
    take_over(board, "n", BOOT, MARK)
    board.pages[0].write_report(b'{"summary": "cra')
    board.close()
    board, leftovers = asyncio.run(open_board(path, 3))
    assert leftovers is not None
    assert leftovers.reports == ()
    board.close()


def test_second_of_a_name_is_refused_with_the_pid_of_the_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_board, "_LOCK_SECONDS", 0.05)
    board, _ = asyncio.run(open_board(path, 3))
    take_over(board, "n", BOOT, MARK)
    with pytest.raises(ConfigurationError, match=rf"'n' is running \(pid {os.getpid()}\)"):
        asyncio.run(open_board(path, 3))
    board.close()


def test_larger_board_of_a_former_life_is_read_whole(path: Path) -> None:
    board, _ = asyncio.run(open_board(path, 9))
    take_over(board, "n", BOOT, MARK)
    board.pages[7].write_report(encode_report(REPORT))
    board.close()
    board, leftovers = asyncio.run(open_board(path, 3))
    assert leftovers is not None
    assert leftovers.reports == (REPORT,)
    board.close()


def test_whoever_waited_for_the_lock_of_a_removed_file_makes_a_new_one(path: Path) -> None:
    board, _ = asyncio.run(open_board(path, 3))
    first = path.stat().st_ino

    async def wait_while_it_goes() -> None:
        waiting = asyncio.create_task(open_board(path, 3))
        await asyncio.sleep(0)
        remove_board(board, path)
        board.close()
        second, leftovers = await waiting
        assert leftovers is None
        assert os.fstat(second.descriptor).st_ino == path.stat().st_ino
        second.close()

    asyncio.run(wait_while_it_goes())
    assert path.exists()
    assert first


def test_file_of_somebody_else_at_the_path_is_not_removed(path: Path) -> None:
    board, _ = asyncio.run(open_board(path, 3))
    path.unlink()
    path.write_text("another's")
    remove_board(board, path)
    assert path.read_text() == "another's"
    board.close()


def test_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="give --runtime-dir"):
        asyncio.run(open_board(tmp_path / "file" / "n.board", 3))
