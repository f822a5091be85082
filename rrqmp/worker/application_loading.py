"""Finding the application: by module, by script, or by value from a notebook."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rrqmp.errors import ApplicationError, ConfigurationError
from rrqmp.handling.application import Application
from rrqmp.handling.jobs import JobServer
from rrqmp.shared_state.launch import AppReference, Service

SCRIPT_MODULE: Final = "__rrqmp_main__"
# A module may serve both, with the same handlers: each service takes its own of the two first.
_DEFAULT_ATTRIBUTES: Final = {Service.QUEUE: ("engine", "registry"), Service.JOBS: ("registry", "engine")}


def load_application(
    reference: AppReference, sys_path: Sequence[str], pickle_fd: int | None, service: Service = Service.QUEUE
) -> Application:
    """Imports user code and returns the object in it that holds handlers. Raises `ApplicationError`."""
    for folder in reversed(sys_path):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    if reference.kind == "pickle":
        found = _unpickle(pickle_fd)
    else:
        module = _run_script(reference.target) if reference.kind == "script" else _import(reference.target)
        found = _found_in(module, reference, service)
    if service is Service.JOBS and not isinstance(found, JobServer):
        raise ApplicationError(
            f"{_spelled(reference)} is {found!r}, not a runner's registry: name a rrqmp.runner.Registry, as in "
            "package.module:registry"
        )
    if service is Service.QUEUE and isinstance(found, JobServer):
        raise ApplicationError(
            f"{_spelled(reference)} is a runner's registry: start it with `rrqmp runner`, or name a WorkerEngine"
        )
    if not isinstance(found, Application):
        raise ApplicationError(
            f"{_spelled(reference)} is {found!r}, not an engine: name a WorkerEngine, as in package.module:engine"
        )
    if not found.registry.types():
        raise ApplicationError(
            f"{_spelled(reference)} has no handlers: call register_activity, or decorate a function with "
            "@engine.activity, before the module ends"
        )
    return found


def _spelled(reference: AppReference) -> str:
    return f"{reference.target}:{reference.attribute}" if reference.attribute else reference.target or "the application"


def _import(name: str) -> types.ModuleType:
    if name.endswith(".py") or "/" in name or "\\" in name:
        guess = name.removesuffix(".py").strip("./").replace("/", ".").replace("\\", ".")
        raise ApplicationError(f"--app {name} is a file; did you mean --app {guess}:engine ?")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise ApplicationError(
                f"there is no module {error.name!r} in {os.getcwd()} or on sys.path; start in the folder that holds it "
                "or give --app-dir"
            ) from None
        raise _own_fault(name) from None
    except ConfigurationError as error:
        raise ApplicationError(f"{name} refused its own configuration: {error}", _own_traceback()) from None
    except BaseException:
        # SystemExit too: an application that exits while it is imported must not take the template along in silence.
        raise _own_fault(name) from None


def _run_script(path: str) -> types.ModuleType:
    module = types.ModuleType(SCRIPT_MODULE)
    module.__file__ = path
    # Dataclasses, pickles and type hints look their module up by name.
    sys.modules[SCRIPT_MODULE] = module
    sys.argv = [path]
    try:
        code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except ConfigurationError as error:
        raise ApplicationError(f"{path} refused its own configuration: {error}", _own_traceback()) from None
    except BaseException:
        raise _own_fault(path) from None
    return module


def _unpickle(descriptor: int | None) -> object:
    if descriptor is None:
        raise ApplicationError("the application was to come by value, and no descriptor came with the launch order")
    # Only where a script or a notebook sent its engine; nothing that lies in Redis is ever unpickled here.
    import cloudpickle  # type: ignore[import-untyped]  # ships no types

    try:
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)
            return cloudpickle.loads(file.read())
    except BaseException:
        raise _own_fault("the application sent by value") from None


def _found_in(module: types.ModuleType, reference: AppReference, service: Service) -> object:
    try:
        return _attribute(module, reference.attribute, reference.target, service)
    except ApplicationError:
        raise
    except ConfigurationError as error:
        # A module may make its engine when it is asked for it.
        raise ApplicationError(f"{_spelled(reference)} refused its own configuration: {error}") from None


def _attribute(module: types.ModuleType, attribute: str, target: str, service: Service) -> object:
    if not attribute:
        for name in _DEFAULT_ATTRIBUTES[service]:
            if hasattr(module, name):
                return getattr(module, name)
        engines = [name for name, value in vars(module).items() if isinstance(value, Application)]
        hint = f"; it has {', '.join(engines)}: name one, as in {target}:{engines[0]}" if engines else ""
        raise ApplicationError(f"{target} has no attribute 'engine' or 'registry'{hint}")
    name, is_call = (attribute[:-2], True) if attribute.endswith("()") else (attribute, False)
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            engines = [key for key, value in vars(module).items() if isinstance(value, Application)]
            hint = f"; did you mean {target}:{engines[0]} ?" if engines else ""
            raise ApplicationError(f"{target} has no attribute {name!r}{hint}")
        found = getattr(found, part)
    if not is_call:
        return found
    if not callable(found):
        raise ApplicationError(f"{target}:{attribute} cannot be called: {found!r}")
    try:
        return found()
    except BaseException:
        raise _own_fault(f"{target}:{attribute}") from None


def _own_fault(name: str) -> ApplicationError:
    return ApplicationError(f"{name} could not be imported", _own_traceback())


def _own_traceback() -> str:
    """The traceback of the error at hand without the frames of this package and of the import machinery."""
    error = sys.exception()
    if error is None:
        return ""
    shown = traceback.TracebackException.from_exception(error)
    package = f"{Path(__file__).parent.parent}/"
    hidden = (package, "<frozen importlib", importlib.__file__ or package)
    shown.stack = traceback.StackSummary.from_list(
        [frame for frame in shown.stack if not frame.filename.startswith(hidden)]
    )
    return "".join(shown.format()).rstrip()
