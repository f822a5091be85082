"""Where a fresh interpreter finds this engine again: in a script, in a module, or nowhere but in this process."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from rrqmp.errors import ConfigurationError
from rrqmp.shared_state.launch import AppReference

_TEMPLATE: str = "rrqmp.worker"


def refuse_missing_guard(what: str) -> None:
    """Raises `ConfigurationError` where a template imports the application and the application starts itself again."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name.partition(".__main__")[0] == _TEMPLATE:
        raise ConfigurationError(
            f"{what} was reached while the workers import the application: put the call under "
            '`if __name__ == "__main__":`'
        )


def find_application(engine: object) -> AppReference:
    """By script or module where a global name holds the engine in one that can be run again, else by value."""
    main = sys.modules.get("__main__")
    name = _global_name(main, engine)
    if main is not None and name:
        reference = _reference_of_main(main, name)
        if reference is not None:
            return reference
    for module_name, module in list(sys.modules.items()):
        if module_name != "__main__" and getattr(module, "__spec__", None) is not None:
            attribute = _global_name(module, engine)
            if attribute and _can_be_imported_again(module_name):
                return AppReference(kind="module", target=module_name, attribute=attribute)
    return AppReference(kind="pickle")


def search_path() -> tuple[str, ...]:
    """The folders from which this process imports, absolute: the empty entry is the current folder."""
    return tuple(dict.fromkeys(os.path.abspath(entry) for entry in sys.path if not entry or os.path.exists(entry)))


def _reference_of_main(main: ModuleType, attribute: str) -> AppReference | None:
    spec = main.__spec__
    if spec is not None and spec.name and spec.name != "__main__":
        # `python -m package.module`: run again under its own name, so that its relative imports hold.
        return AppReference(kind="module", target=spec.name, attribute=attribute)
    file = getattr(main, "__file__", None)
    if file and os.path.isfile(file):
        return AppReference(kind="script", target=os.path.abspath(file), attribute=attribute)
    return None


def _can_be_imported_again(name: str) -> bool:
    """Whether a fresh interpreter would find it: pytest gives the modules of its tests names that lead nowhere."""
    top = name.partition(".")[0]
    return any(finder.find_spec(top, None) is not None for finder in sys.meta_path)


def _global_name(module: ModuleType | None, engine: object) -> str:
    names = getattr(module, "__dict__", {})
    return next((name for name, value in list(names.items()) if value is engine), "")
