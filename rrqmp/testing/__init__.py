"""For the tests of applications: keep what is submitted, run it in place, or run it for real.

The fixtures `rrqmp_recorder`, `rrqmp_eager` and `rrqmp_queue` come with the package as a pytest plugin; here are their
types, and `context` for calling a handler by hand.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrqmp.testing.by_hand import context as context
    from rrqmp.testing.eager import EagerQueue as EagerQueue
    from rrqmp.testing.no_process import EagerError as EagerError
    from rrqmp.testing.real import RealQueue as RealQueue
    from rrqmp.testing.recorder import Recorder as Recorder
    from rrqmp.testing.recorder import Submitted as Submitted

# Late, as the package itself: pytest imports the plugin in every project that has rrqmp installed.
_HOMES = {
    "EagerError": "no_process",
    "EagerQueue": "eager",
    "RealQueue": "real",
    "Recorder": "recorder",
    "Submitted": "recorder",
    "context": "by_hand",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if not TYPE_CHECKING:
    __all__ = [*_HOMES]  # noqa: PLE0604 - the table holds strings only
