"""Reading what faulthandler wrote: the line of user code that a process died in."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Final, TypeAlias

_FRAME: Final = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>.+)$')
_THREAD: Final = re.compile(r"^(Current thread 0x|Thread 0x|Stack \(most recent)")
# "Stack" heads the dump of one thread alone, which is written of a process with very many.
_CURRENT: Final = ("Current thread", "Stack")
_PACKAGE: Final = Path(__file__).parent.parent
_MACHINERY: Final = tuple(f"{_PACKAGE / room}/" for room in ("handling", "worker", "client", "store", "telemetry"))
_LIBRARY: Final = tuple({path + "/" for key, path in sysconfig.get_paths().items() if key in ("stdlib", "platstdlib")})
# How `python -m` enters the template, at the foot of every worker's stack.
_ENTRY: Final = "<frozen runpy>"
_Frame: TypeAlias = tuple[str, str, str]
_SITE: Final = ("/site-packages/", "/dist-packages/")


def trim(dump: str) -> str:
    """The dump without our own frames, which are the same in every death."""
    kept = [
        line
        for line in dump.splitlines()
        if (frame := _FRAME.match(line)) is None or not frame["file"].startswith((*_MACHINERY, _ENTRY))
    ]
    return "\n".join(kept).strip("\n")


def stuck_at(dump: str) -> str:
    """`thumbs.py:17 handle`: the innermost frame of user code in the thread that was current, else of the library's.

    Empty where the dump has no Python frame of either.
    """
    frames = [frame for frame in _current_thread(dump) if not frame[0].startswith(_MACHINERY)]
    for file, line, name in frames:
        if not file.startswith(("<", *_LIBRARY)) and not any(part in file for part in _SITE):
            return f"{Path(file).name}:{line} {name}"
    for file, line, name in frames:
        return f"{Path(file).name}:{line} {name}"
    return ""


def _current_thread(dump: str) -> list[_Frame]:
    """Frames, innermost first, of the thread marked as current in the last dump, else of the last thread."""
    threads: list[tuple[bool, list[_Frame]]] = []
    for line in dump.splitlines():
        if _THREAD.match(line):
            threads.append((line.startswith(_CURRENT), []))
        elif threads and (found := _FRAME.match(line)):
            threads[-1][1].append((found["file"], found["line"], found["name"]))
    current = [frames for is_current, frames in threads if is_current and frames]
    if current:
        return current[-1]
    return threads[-1][1] if threads else []
