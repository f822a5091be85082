"""What clients tell the supervisor over Redis: an earlier due time, a cancel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rrqmp.errors import StoreError
from rrqmp.store.aio_listener import AsyncListener
from rrqmp.store.calls.cancel import CancelOrder, read_cancel_message
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import NoticeKind
from rrqmp.supervisor.background import Background
from rrqmp.supervisor.log import LOGGER

_CONNECT_SECONDS: Final = 2.0


class Listener(Background):
    """Hears the channels of all queues of one node; what was missed is asked for after every reconnection."""

    def __init__(
        self,
        url: str,
        queues: Sequence[QueueKeys],
        node: str,
        on_due: Callable[[QueueKeys], None],
        on_connected: Callable[[], None],
        on_cancel: Callable[[str, CancelOrder], None],
    ) -> None:
        self._url = url
        self._due = {keys.due_channel: keys for keys in queues}
        self._control = {keys.control_channel(node) for keys in queues}
        self._on_due = on_due
        self._on_connected = on_connected
        self._on_cancel = on_cancel

    async def _run(self) -> None:
        try:
            listener = AsyncListener(self._url, connect_timeout=_CONNECT_SECONDS)
            listener.subscribe(*self._due, *self._control)
            async for notice in listener:
                if notice.kind is NoticeKind.CONNECTED:
                    for keys in self._due.values():
                        self._on_due(keys)
                    self._on_connected()
                elif notice.kind is NoticeKind.MESSAGE and notice.channel in self._due:
                    self._on_due(self._due[notice.channel])
                elif notice.kind is NoticeKind.MESSAGE:
                    self._on_cancel(*read_cancel_message(notice.message))
        except StoreError:
            # Only a refused password ends the iteration; the heartbeat tells all of this too, a little later.
            LOGGER.exception("the subscription ended")
