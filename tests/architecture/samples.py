"""The sample files for hosts, as the table of settings says they must read.

`python tests/architecture/samples.py` writes them anew after a change to the table.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "supervisor"

# Where the host or nobody decides the default, the sample shows a value that could stand there.
SHOWN = {
    "app": "thumbs:engine",
    "app_dir": "/srv/thumbs",
    "activity_types": "thumbnail",
    "max_workers": "8",
    "node": "host-a",
    "runtime_dir": "/run/rrqmp",
    "key": "64-digits-of-secrets.token_hex(32)",
}
_LISTS = {"queues", "activity_types"}
_HEAD = "Every setting, commented out where the line shows its default or an example of it"


def environment_sample() -> str:
    """`supervisor/rrqmp.env`: for `EnvironmentFile=` of the unit."""
    from rrqmp.settings import TABLE

    lines = [
        f"# {_HEAD}.",
        "# `rrqmp check` prints what holds, and why. Flags go before these, these before rrqmp.toml.",
    ]
    for setting in TABLE.values():
        lines += ["", f"# {setting.help}; default: {setting.shown_default}"]
        lines.append(f"#{setting.variable}={SHOWN.get(setting.name, setting.shown_default)}")
    return "\n".join(lines) + "\n"


def toml_sample() -> str:
    """`supervisor/rrqmp.toml`: read from the current folder, or from where `--config` points."""
    from rrqmp.settings import TABLE

    lines = [f"# {_HEAD}.", "# `rrqmp check` prints what holds, and why. Flags and RRQMP_* variables go before these."]
    for setting in TABLE.values():
        lines += ["", f"# {setting.help}; default: {setting.shown_default}"]
        lines.append(f"#{setting.name} = {_toml(setting.name, SHOWN.get(setting.name, setting.shown_default))}")
    return "\n".join(lines) + "\n"


def _toml(name: str, shown: str) -> str:
    if name in _LISTS:
        return f'["{shown}"]'
    return shown if shown.isdigit() else f'"{shown}"'


SAMPLES = {"rrqmp.env": environment_sample, "rrqmp.toml": toml_sample}

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for name, render in SAMPLES.items():
        (FOLDER / name).write_text(render(), encoding="utf-8")
