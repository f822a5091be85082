"""Puts the four sources together: flags before environment before TOML before application before default.

Every fault of every source is found in one pass and told in one error, each with its value, its source and a remedy.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rrqmp.errors import ConfigurationError
from rrqmp.settings.table import ENVIRONMENT_PREFIX, TABLE, QueueOrder, Setting, Settings
from rrqmp.settings.values import QueuePlan, closest

DEFAULT_FILE: Final = "rrqmp.toml"
CONFIG_VARIABLE: Final = "RRQMP_CONFIG"
NODE_MARK_VARIABLE: Final = "RRQMP_NODE_MARK"
# Ours, but no settings: the file's own name, and the mark by which a restarted supervisor knows what it left behind.
_NOT_SETTINGS: Final = frozenset({CONFIG_VARIABLE, NODE_MARK_VARIABLE})


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings, and for each of them the source that won, in words for people."""

    settings: Settings
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsInputs:
    """What was given from outside, unread. `flags` holds only the options used, by setting name.

    `config_file` must exist; without it `RRQMP_CONFIG` names the file, and without that `rrqmp.toml` in `folder` is
    read if it is there.
    """

    flags: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    config_file: Path | None = None
    folder: Path = Path()

    def resolve(self, app: Mapping[str, object] | None = None) -> Resolved:
        """Reads all sources; raises one `ConfigurationError` with every fault. A `None` of `app` counts as not set."""
        faults: list[str] = []
        chosen: dict[str, object] = {}
        sources: dict[str, str] = {}
        for name, value, source, origin in self._given(app or {}, faults):
            setting = TABLE[name]
            # A value that loses is read all the same: its fault would wait for the day when it wins.
            try:
                read = setting.read(value, origin)
            except ValueError as error:
                faults.append(str(error))
                continue
            if name not in chosen:
                chosen[name], sources[name] = read, source
        if faults:
            raise ConfigurationError(_report(faults))
        for name, setting in TABLE.items():
            if name not in chosen:
                chosen[name], sources[name] = setting.default(), "default"
        return Resolved(_settings(chosen), sources)

    def _given(self, app: Mapping[str, object], faults: list[str]) -> Iterator[tuple[str, object, str, str]]:
        """Yields (setting, value, source, source with key) by falling rank; names that are no settings are faults."""
        for name, value in self.flags.items():
            flag = TABLE[name].flag
            yield name, value, flag, f"{flag} (flag)"
        variables = {setting.variable: setting for setting in TABLE.values()}
        for variable, content in sorted(self.environ.items()):
            if variable in variables:
                yield variables[variable].name, content, variable, f"{variable} (environment)"
            elif variable.startswith(ENVIRONMENT_PREFIX) and variable not in _NOT_SETTINGS:
                faults.append(f"{variable} (environment) is no setting{closest(variable, list(variables))}")
        path, content_of_file = self._read_file(faults)
        for source, mapping in ((path, content_of_file), ("application", app)):
            for name, value in mapping.items():
                if name not in TABLE:
                    faults.append(f"{name} ({source}) is no setting{closest(name, list(TABLE))}")
                elif value is not None:
                    yield name, value, source, f"{name} ({source})"

    def _read_file(self, faults: list[str]) -> tuple[str, Mapping[str, Any]]:
        named = self.config_file or (Path(found) if (found := self.environ.get(CONFIG_VARIABLE)) else None)
        path = named or self.folder / DEFAULT_FILE
        if named is None and not path.is_file():
            return str(path), {}
        try:
            return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            faults.append(f"{path} cannot be read: {error.strerror}; give an existing file with --config")
        except ValueError as error:  # no UTF-8, or no TOML
            faults.append(f"{path} is not TOML: {error}")
        return str(path), {}


def show_value(setting: Setting, settings: Settings) -> str:
    """A setting's value as `rrqmp check` prints it; a password in a URL is masked."""
    value = getattr(settings, setting.name)
    if setting.name == "queues":
        weighted = settings.queue_order is QueueOrder.WEIGHTS
        return ",".join(f"{queue}={weight}" if weighted else queue for queue, weight in settings.queues.items())
    if setting.hidden:
        return "***" if value else setting.shown_default
    if setting.secret:
        return _mask(str(value))
    if value is None or value in ("", ()):
        return setting.shown_default if not value and setting.default() == value else "strict"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _mask(url: str) -> str:
    scheme, found, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    if not found or not at:
        return url
    return f"{scheme}://{login.partition(':')[0]}:***@{host}"


def _settings(chosen: dict[str, object]) -> Settings:
    plan = chosen["queues"]
    if isinstance(plan, QueuePlan):
        chosen["queues"] = dict(plan.weights)
        chosen["queue_order"] = QueueOrder.WEIGHTS if plan.weighted else QueueOrder.STRICT
    # The readers of the table give each field its type; the checker cannot follow them through a mapping.
    return Settings(**chosen)  # type: ignore[arg-type]


def _report(faults: Sequence[str]) -> str:
    if len(faults) == 1:
        return f"a setting is wrong: {faults[0]}"
    return "\n".join([f"{len(faults)} settings are wrong:", *(f"  {fault}" for fault in faults)])
