"""The sentence form on a loop: the same steps, ended by an `await`."""

from __future__ import annotations

from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

from rrqmp.aio.future import ActivityFuture
from rrqmp.client.builder import Checked, Preparing, Sentence
from rrqmp.client.preparation import Prepared

P_contra = TypeVar("P_contra", contravariant=True, default=Any)
R_co = TypeVar("R_co", covariant=True, default=Any)


class Sender(Preparing, Protocol):
    """An executor on a loop."""

    async def send(self, prepared: Prepared) -> ActivityFuture[Any]:
        """Sends it; twice is harmless."""
        ...


class PreparedActivity(Checked[Sender], Generic[R_co]):
    """A submission that is checked and has its id, and is not sent yet."""

    __slots__ = ()

    async def execute(self) -> ActivityFuture[R_co]:
        """Sends it; a second time is the same activity, as long as its record is kept."""
        return await self._sender.send(self._prepared)


class ActivityBuilder(Sentence[Sender, P_contra], Generic[P_contra, R_co]):
    """One submission in the making. Values are checked by `execute` and `prepare`."""

    __slots__ = ()

    def prepare(self) -> PreparedActivity[R_co]:
        """Checks everything and makes the id; nothing is sent."""
        return PreparedActivity(self._sender, self._prepared())

    async def execute(self) -> ActivityFuture[R_co]:
        """Checks everything and sends it."""
        return await self._sender.send(self._prepared())
