"""CPython's own tests of executors, wherever this interpreter, or one installed beside it, keeps them.

Distributions leave them out at will. Those of a neighbour test the same contract; what they need of `test.support` and
is younger than this interpreter is put there.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cloudpickle

NAME = "test.test_concurrent_futures"
MISSING = "neither this Python nor a neighbour of it has test.test_concurrent_futures: use one built with its tests"
# Folders of the module that hold what applies to any executor.
_PARTS = ("util", "executor", "test_as_completed", "test_wait", "test_shutdown")


@dataclass(frozen=True)
class Suite:
    """The classes by name, and the folder to search besides `test` itself where they are a neighbour's."""

    modules: tuple[ModuleType, ...]
    folder: str

    def find(self, name: str) -> type:
        """A class or mixin of the suite."""
        for module in self.modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"{NAME} has no {name}")


def load() -> Suite | None:
    """The suite, or nothing."""
    try:
        import test.support
    except ImportError:
        return None
    folder = ""
    if importlib.util.find_spec(NAME) is None:
        folder = neighbour()
        if not folder:
            return None
        sys.modules["test"].__path__.append(folder)
    if not hasattr(test.support, "Py_GIL_DISABLED"):
        test.support.Py_GIL_DISABLED = False  # type: ignore[attr-defined]
    suite = importlib.import_module(NAME)
    # Up to 3.11 it is one module.
    modules = [importlib.import_module(f"{NAME}.{part}") for part in _PARTS] if hasattr(suite, "__path__") else [suite]
    if folder:
        for module in modules:
            # The workers do not know where it is.
            cloudpickle.register_pickle_by_value(module)
    return Suite(tuple(modules), folder)


def neighbour() -> str:
    """The `test` folder of an interpreter installed beside this one, as pyenv does; the newest of them."""
    beside = Path(sys.base_prefix).parent.glob("3.*/lib/python3.*/test")
    found = [folder for folder in beside if (folder / "test_concurrent_futures" / "executor.py").is_file()]
    return str(max(found, key=_minor)) if found else ""


def _minor(folder: Path) -> int:
    return int(folder.parent.name.removeprefix("python3."))
