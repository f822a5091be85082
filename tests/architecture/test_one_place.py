"""What must stand in one place only, and what must stand nowhere."""

from __future__ import annotations

import re
import subprocess
import sys

from source_tree import ROOT, tracked_files

from rrqmp.settings import TABLE
from rrqmp.settings.resolution import CONFIG_VARIABLE, NODE_MARK_VARIABLE
from rrqmp.version import __version__

# Pictures of what the commands print show the version; a test of their own keeps them true.
PICTURES = {"README.md", "CHANGELOG.md"}


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked_files():
        try:
            found.append((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_version_stands_in_one_place() -> None:
    literal = re.compile(r"(?<![\d.])" + re.escape(__version__) + r"(?![\d.])")
    holders = [name for name, text in texts() if literal.search(text) and name not in PICTURES]
    assert holders == ["rrqmp/version.py"]


def test_no_file_names_a_place_of_one_machine() -> None:
    # Spelt in parts, so that this file does not find itself.
    places = re.compile("|".join(["/" + "root/", "/" + "work/", "/" + "home/[a-z]+/", "/" + "Users/"]))
    wrong = [f"{name}: {found.group()}" for name, text in texts() if (found := places.search(text))]
    assert not wrong, "\n".join(wrong)


def test_variables_of_the_environment_are_settings() -> None:
    known = {setting.variable for setting in TABLE.values()} | {CONFIG_VARIABLE, NODE_MARK_VARIABLE}
    wrong = [
        f"{name}: {word}"
        for name, text in texts()
        if name.startswith(("rrqmp/", "supervisor/", "docs/", "README"))
        for word in re.findall(r"\bRRQMP_[A-Z_]*[A-Z]\b", text)
        if word not in known
    ]
    assert not wrong, "\n".join(wrong)


def test_bootstrap_is_readable_for_an_old_python() -> None:
    source = (ROOT / "bootstrap.py").read_text(encoding="utf-8")
    # The oldest grammar that this parser knows; f-strings and annotations of variables came later.
    program = "import ast, sys; ast.parse(sys.stdin.read(), feature_version=(3, 4))"
    subprocess.run([sys.executable, "-c", program], input=source, text=True, check=True)
    assert not re.search(r"\bf[\"']", source)
    assert source.index("sys.version_info < LEAST") < source.index("import urllib")
