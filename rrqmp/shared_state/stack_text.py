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
_ROOMS: Final = ("handling", "worker", "client", "store", "telemetry", "pool")
_MACHINERY: Final = tuple(f"{_PACKAGE / room}/" for room in _ROOMS)
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
    """`thumbs.py:17 handle`: the innermost frame of the user's code in the thread that was current.

    The user's is what lies in no library; for an application that is installed itself, what lies in the handler's own
    package. Without one the innermost of a library's; empty where the dump has no Python frame.
    """
    frames = [frame for frame in _current_thread(dump) if not frame[0].startswith((*_MACHINERY, "<"))]
    if not frames:
        return ""
    # The outermost that is not ours is the handler's.
    home = _package(frames[-1][0])
    own = [frame for frame in frames if _package(frame[0]) == home] if home else []
    user = [frame for frame in frames if not _package(frame[0]) and not frame[0].startswith(_LIBRARY)]
    installed = [frame for frame in frames if _package(frame[0])]
    file, line, name = (user or own or installed or frames)[0]
    return f"{Path(file).name}:{line} {name}"


def _package(file: str) -> str:
    """The folder or module below site-packages that the file belongs to; empty for one that is not installed."""
    for site in _SITE:
        before, found, after = file.partition(site)
        if found:
            return before + found + after.partition("/")[0]
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
