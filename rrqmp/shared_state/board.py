"""The board: a shared file with one page for the supervisor and one for each worker process.

It says what has *started*; Redis says what a slot has *claimed*. A page belongs to one process for life, not to a slot:
a spare takes a slot over without a new mapping, and the page of a process that will not die is simply not used again
until it has. Numbers are 64-bit words that are stored singly (`struct.pack_into` fills with zeros before it packs, and
a reader in between would see a deadline of 0); bytes are written before the word that publishes them. Every word has
one writer. Times are nanoseconds of the monotonic clock, which all processes of one host share.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from enum import IntEnum
from pathlib import Path
from typing import Final

from rrqmp.model.progress import MESSAGE_BYTES_MOST

PAGE_BYTES: Final = 4096
REPORT_BYTES: Final = 15 * PAGE_BYTES
STRIDE: Final = PAGE_BYTES + REPORT_BYTES
MAGIC: Final = 0x7272716D70310001  # "rrqmp1" and the layout's version
BATCH_MOST: Final = 50
ID_BYTES: Final = 36


class Head(IntEnum):
    """Words of page 0, written by the supervisor."""

    MAGIC = 0
    SUPERVISOR_PID = 1
    SUPERVISOR_START = 2
    NEXT_WAKE = 3
    PAGES = 4
    DRAINING = 5
    NAME_BYTES = 6
    SINGLY_UNTIL = 7


class Word(IntEnum):
    """Words of a worker's page. The worker's are below 64, the supervisor's above: no shared cache line."""

    STATE = 0
    SEQ = 1  # activities started by this process; busy while it differs from ENDED
    ENDED = 2
    STARTED = 3
    DEADLINE = 4
    CPU_AT_START = 5
    CLAIM_SEQ = 6  # the cycle that claimed the current batch: the last part of its token
    QUEUE = 7  # place of the queue in the order that all sides were given
    ATTEMPT = 8
    TYPE_BYTES = 9
    BATCH_LENGTH = 10
    BATCH_POSITION = 11
    BASE_RSS = 12  # resident bytes when the process was ready: what it shares with the template
    CALLED_BACK = 13  # how many of CALLBACKS it has done
    LOOK_AT = 15  # when the supervisor should look at a batch that one activity holds up
    STARTED_WALL = 16  # nanoseconds since 1970
    DUMP_FD = 17
    SOFT = 18  # when the soft limit comes; 0 where there is none
    WAITING = 19  # the SEQ whose handler waits for another activity; 0 for none
    PROGRESS_COUNT = 20  # odd while a report of progress is being written, raised again after it
    PROGRESS = 21  # in millionths; PROGRESS_NONE for none
    PROGRESS_BYTES = 22
    PROGRESS_SEQ = 23  # the SEQ that the report is about

    PID = 64
    START_TIME = 65
    SLOT = 66  # slot number + 1; 0 for a spare
    INC = 67
    GENERATION = 68
    CONDEMNED = 69  # the SEQ that a kill is meant for
    REASON = 70
    DRAINING = 71  # a `Draining`
    REVOKED = 72  # the CLAIM_SEQ whose unstarted activities the supervisor has given back
    REPORT_BYTES = 73
    CANCEL = 74  # the SEQ that somebody asked the end of
    SOFT_SENT = 75  # the SEQ whose soft limit has been signalled
    ONCE = 76  # 1 for a worker that claims once and leaves
    CALLBACKS = 77  # messages CallBack that were sent to it


_ID_AT: Final = 1024
_TYPE_AT: Final = 1088
TYPE_BYTES_MOST: Final = 128
_PROGRESS_AT: Final = 1280
PROGRESS_NONE: Final = 2**63
_BATCH_AT: Final = 2048
_BOOT_AT: Final = 1024
_MARK_AT: Final = 1088
_NAME_AT: Final = 1152
_HEX_BYTES: Final = 16


class WorkerState(IntEnum):
    """What a worker is doing, for people and for the judgement of a death. 0 is a page nobody has written."""

    UNUSED = 0
    STARTING = 1
    RECOVERING = 2
    IDLE = 3
    CLAIMING = 4
    RUNNING = 5
    SETTLING = 6
    LEAVING = 7
    SETTING_UP = 8


class Draining(IntEnum):
    """Whether a worker is to leave after what it runs. Only of a stop is the handler told: else it has all its time."""

    NO = 0
    STOPPING = 1
    RETIRING = 2


class KillReason(IntEnum):
    """Why the supervisor ordered a death."""

    NONE = 0
    TIMED_OUT = 1
    CANCELLED = 2
    OUT_OF_MEMORY = 3
    RELEASED = 4
    FENCED = 5


class Page:
    """One worker's page as words and bytes; the mapping is shared, so every look is a fresh one."""

    __slots__ = ("_bytes", "index", "words")

    def __init__(self, index: int, view: memoryview) -> None:
        self.index = index
        self._bytes = view[:STRIDE]
        self.words = view[:PAGE_BYTES].cast("Q")

    @property
    def busy(self) -> bool:
        """Whether an activity has been started and has not ended."""
        return self.words[Word.SEQ] != self.words[Word.ENDED]

    @property
    def waiting(self) -> bool:
        """Whether the handler of the running activity waits for another one; the mark of an earlier one is none."""
        seq = self.words[Word.SEQ]
        return seq == self.words[Word.WAITING] and seq != self.words[Word.ENDED]

    @property
    def state(self) -> WorkerState:
        """The worker's own word on what it does; `UNUSED` where a wild write has spoilt it."""
        try:
            return WorkerState(self.words[Word.STATE])
        except ValueError:
            return WorkerState.UNUSED

    @property
    def reason(self) -> KillReason:
        """Why the supervisor has condemned it; `NONE` where a wild write has spoilt it."""
        try:
            return KillReason(self.words[Word.REASON])
        except ValueError:
            return KillReason.NONE

    def activity_id(self) -> str:
        """Id of the activity that was started last."""
        return bytes(self._bytes[_ID_AT : _ID_AT + ID_BYTES]).decode("ascii", "replace")

    def activity_type(self) -> str:
        """Type of the activity that was started last."""
        size = min(self.words[Word.TYPE_BYTES], TYPE_BYTES_MOST)
        return bytes(self._bytes[_TYPE_AT : _TYPE_AT + size]).decode("utf-8", "replace")

    def write_activity(self, activity_id: bytes, activity_type: bytes) -> None:
        """Names the activity that is about to start; the caller publishes it by raising SEQ."""
        size = len(activity_type)
        self._bytes[_ID_AT : _ID_AT + ID_BYTES] = activity_id
        self._bytes[_TYPE_AT : _TYPE_AT + size] = activity_type
        self.words[Word.TYPE_BYTES] = size

    def write_batch(self, ids: bytes, length: int) -> None:
        """Lists what one call claimed, in the order of running; at most `BATCH_MOST` ids of 36 bytes each."""
        self.words[Word.BATCH_LENGTH] = 0
        self._bytes[_BATCH_AT : _BATCH_AT + len(ids)] = ids
        self.words[Word.BATCH_POSITION] = 0
        self.words[Word.BATCH_LENGTH] = length

    def batch(self) -> tuple[list[str], int]:
        """Ids that the last call claimed, in the order of running, and the place of the one that was started last."""
        length = min(self.words[Word.BATCH_LENGTH], BATCH_MOST)
        text = bytes(self._bytes[_BATCH_AT : _BATCH_AT + length * ID_BYTES]).decode("ascii", "replace")
        ids = [text[at * ID_BYTES : (at + 1) * ID_BYTES] for at in range(length)]
        return ids, self.words[Word.BATCH_POSITION]

    def unstarted(self) -> list[str]:
        """Ids of the batch that come after the one that is running."""
        ids, position = self.batch()
        return ids[position + 1 :]

    def write_progress(self, millionths: int, message: bytes) -> None:
        """Says how far the activity that runs is; `PROGRESS_NONE` where only the words count."""
        words, size = self.words, min(len(message), MESSAGE_BYTES_MOST)
        count = words[Word.PROGRESS_COUNT] | 1
        words[Word.PROGRESS_COUNT] = count
        words[Word.PROGRESS] = millionths
        self._bytes[_PROGRESS_AT : _PROGRESS_AT + size] = message[:size]
        words[Word.PROGRESS_BYTES] = size
        words[Word.PROGRESS_SEQ] = words[Word.SEQ]
        words[Word.PROGRESS_COUNT] = count + 1

    def read_progress(self) -> tuple[int, bytes] | None:
        """Millionths and message of the activity that runs; `None` where it has said nothing, or is just saying it."""
        words = self.words
        count, seq = words[Word.PROGRESS_COUNT], words[Word.SEQ]
        if not count or count % 2 or words[Word.PROGRESS_SEQ] != seq or not self.busy:
            return None
        size = min(words[Word.PROGRESS_BYTES], MESSAGE_BYTES_MOST)
        found = words[Word.PROGRESS], bytes(self._bytes[_PROGRESS_AT : _PROGRESS_AT + size])
        return found if words[Word.PROGRESS_COUNT] == count and words[Word.SEQ] == seq else None

    def write_report(self, report: bytes) -> bool:
        """Leaves an exit report for the successor, or for the next supervisor; false if it is too long."""
        if len(report) > REPORT_BYTES:
            return False
        self._bytes[PAGE_BYTES : PAGE_BYTES + len(report)] = report
        self.words[Word.REPORT_BYTES] = len(report)
        return True

    def read_report(self) -> bytes:
        """The exit report in this page, empty if there is none."""
        size = min(self.words[Word.REPORT_BYTES], REPORT_BYTES)
        return bytes(self._bytes[PAGE_BYTES : PAGE_BYTES + size])

    def clear(self) -> None:
        """Makes the page blank for a new process; only when the former one has been reaped."""
        self._bytes[:PAGE_BYTES] = bytes(PAGE_BYTES)


class Board:
    """The supervisor's view of the whole file, or the guard's. Workers map their own page with `map_page`."""

    def __init__(self, descriptor: int, pages: int, *, writable: bool) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(
            descriptor,
            pages * STRIDE,
            prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0),
        )
        self._view = memoryview(self._map)
        self.head = self._view[:PAGE_BYTES].cast("Q")
        self.pages = [Page(index, self._view[index * STRIDE :]) for index in range(1, pages)]

    @property
    def boot(self) -> str:
        """16 hexadecimal digits, new whenever this node joins the queues anew."""
        return bytes(self._view[_BOOT_AT : _BOOT_AT + _HEX_BYTES]).decode("ascii", "replace").strip("\0")

    @property
    def mark(self) -> str:
        """What every process below this supervisor carries in its environment."""
        return bytes(self._view[_MARK_AT : _MARK_AT + _HEX_BYTES]).decode("ascii", "replace").strip("\0")

    @property
    def name(self) -> str:
        """Name of the node."""
        size = min(self.head[Head.NAME_BYTES], 512)
        return bytes(self._view[_NAME_AT : _NAME_AT + size]).decode("utf-8", "replace")

    def write_identity(self, name: str, boot: str, mark: str) -> None:
        """Says whose board this is; a later supervisor takes back what ran under this boot."""
        text = name.encode()
        self._view[_BOOT_AT : _BOOT_AT + _HEX_BYTES] = boot.encode()
        self._view[_MARK_AT : _MARK_AT + _HEX_BYTES] = mark.encode()
        self._view[_NAME_AT : _NAME_AT + len(text)] = text
        self.head[Head.NAME_BYTES] = len(text)

    def close(self) -> None:
        """Unmaps the file and closes it, which gives up the lock once no child holds it either."""
        if self._map.closed:
            return
        for page in self.pages:
            page.words.release()
            page._bytes.release()
        self.head.release()
        self._view.release()
        self._map.close()
        os.close(self.descriptor)


def open_board_file(path: Path, pages: int) -> int:
    """Opens or makes the file, private to its owner, and gives it its size; the lock is the caller's affair."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if os.fstat(descriptor).st_size < pages * STRIDE:
        os.ftruncate(descriptor, pages * STRIDE)
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Takes the lock that a supervisor and all its workers hold: to get it proves that all of them are dead."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def map_page(descriptor: int, index: int) -> Page:
    """A worker's own page, and no other: a wild write in one worker cannot reach another's record."""
    mapping = mmap.mmap(descriptor, PAGE_BYTES, offset=index * STRIDE)
    return Page(index, memoryview(mapping))


def map_head(descriptor: int) -> memoryview:
    """The supervisor's words, read only."""
    return memoryview(mmap.mmap(descriptor, PAGE_BYTES, prot=mmap.PROT_READ)).cast("Q")
