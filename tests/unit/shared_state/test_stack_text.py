"""The line that a dead process was stuck in, out of faulthandler's text."""

from __future__ import annotations

import json
from pathlib import Path

import rrqmp
from rrqmp.shared_state.stack_text import stuck_at, trim

_OURS = str(Path(rrqmp.__file__).parent / "handling" / "invocation.py")
_STDLIB = json.__file__
_SITE = "/venv/lib/python3.11/site-packages"


def dump(*frames: tuple[str, int, str], head: str = "Current thread 0x00007f (most recent call first):") -> str:
    """One thread as faulthandler writes it, innermost first."""
    return "\n".join([head, *(f'  File "{file}", line {line} in {name}' for file, line, name in frames)])


def test_innermost_frame_of_the_user_is_named_and_not_the_librarys_below_it() -> None:
    text = dump((_STDLIB, 9, "loads"), ("/app/thumbs.py", 17, "handle"), ("/app/run.py", 3, "outer"), (_OURS, 1, "x"))
    assert stuck_at(text) == "thumbs.py:17 handle"


def test_installed_application_is_told_from_the_libraries_that_it_calls() -> None:
    text = dump((f"{_SITE}/numpy/core.py", 5, "dot"), (f"{_SITE}/shop/tasks.py", 40, "price"), (_OURS, 119, "invoke"))
    assert stuck_at(text) == "tasks.py:40 price"


def test_thread_of_a_library_names_its_innermost_frame() -> None:
    text = dump((f"{_SITE}/numpy/core.py", 5, "dot"), (_STDLIB, 9, "bootstrap"))
    assert stuck_at(text) == "core.py:5 dot"


def test_current_thread_goes_before_the_others() -> None:
    other = dump(("/app/other.py", 1, "waits"), head="Thread 0x00007e (most recent call first):")
    assert stuck_at(f"{other}\n\n{dump(('/app/thumbs.py', 17, 'handle'))}") == "thumbs.py:17 handle"


def test_dump_of_one_thread_alone_goes_before_the_rest_of_many() -> None:
    alone = dump(("/app/thumbs.py", 17, "handle"), head="Stack (most recent call first):")
    other = dump(("/app/other.py", 1, "waits"), head="Thread 0x00007e (most recent call first):")
    assert stuck_at(f"{alone}\n{other}") == "thumbs.py:17 handle"


def test_last_dump_of_several_counts() -> None:
    first, last = dump(("/app/a.py", 1, "a")), dump(("/app/b.py", 2, "b"))
    assert stuck_at(f"{first}\n{last}") == "b.py:2 b"


def test_text_without_frames_names_nothing() -> None:
    assert stuck_at("") == ""
    assert stuck_at("Fatal Python error: Segmentation fault\n\n<tstate is freed>") == ""


def test_own_frames_are_left_out_of_the_report() -> None:
    text = dump(("/app/thumbs.py", 17, "handle"), (_OURS, 119, "invoke"), ("<frozen runpy>", 88, "_run_code"))
    assert trim(text) == dump(("/app/thumbs.py", 17, "handle"))
