"""Each script's head says what its body does: the KEYS and ARGV it names are those that are used, no key is spelt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rrqmp.store.keys import SUFFIXES
from rrqmp.store.script import assemble, load_script, read_lua

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

FOLDER = Path(__file__).parents[2] / "rrqmp" / "store" / "lua"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.lua"))
FRAGMENTS = sorted(path.stem for path in (FOLDER / "fragments").glob("*.lua"))
_LABEL = re.compile(r"^-- (KEYS|ARGV|RETURNS|RULE|USES)\b")


def _head(name: str) -> list[str]:
    lines = read_lua(name).splitlines()
    return lines[: next(i for i, line in enumerate(lines) if not line.startswith("--"))]


def _body(name: str) -> str:
    return "\n".join(line for line in read_lua(name).splitlines() if not line.lstrip().startswith("--"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_head_tells_purpose_keys_arguments_replies_rule_and_fragments_in_this_order(name: str) -> None:
    head = _head(name)
    assert not _LABEL.match(head[0])
    labels = [found[1] for line in head if (found := _LABEL.match(line))]
    order = [label for label in ("KEYS", "ARGV", "RETURNS", "RULE", "USES") if label in labels]
    assert list(dict.fromkeys(labels)) == order
    assert {"KEYS", "RETURNS", "RULE", "USES"} <= set(labels)


@pytest.mark.parametrize("name", SCRIPTS)
def test_head_names_the_arguments_that_the_body_uses(name: str) -> None:
    named: set[int] = set()
    rest = None
    for line in _head(name):
        found = re.match(r"^-- ARGV (\d+)(\+?) ", line)
        if found:
            named.add(int(found[1]))
            rest = int(found[1]) if found[2] else rest
    body = _body(name)
    used = {int(number) for number in re.findall(r"ARGV\[(\d+)\]", body)}
    goes_on = re.search(r"#ARGV|ipairs\(ARGV\)|ARGV\[[^\d\]]|unpack\(ARGV", body) is not None
    assert used <= named | ({rest} if rest else set())
    assert goes_on == (rest is not None)
    assert named - used <= ({rest} if rest else set())
    assert sorted(named) == list(range(1, len(named) + 1))


@pytest.mark.parametrize("name", SCRIPTS)
def test_head_names_one_key_the_meta_hash(name: str) -> None:
    assert [line for line in _head(name) if line.startswith("-- KEYS")] == ["-- KEYS 1 meta HASH"]
    assert set(re.findall(r"KEYS\[(\d+)\]", load_script(name).source)) == {"1"}


@pytest.mark.parametrize("name", [*SCRIPTS, *(f"fragments/{name}" for name in FRAGMENTS)])
def test_key_text_comes_from_the_key_table(name: str) -> None:
    placeholders = set(re.findall(r"@(\w+)@", read_lua(name)))
    assert placeholders <= SUFFIXES.keys() | {"layout"}
    spelt = re.findall(r"root \.\. '(?!@)", _body(name))
    assert not spelt


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_fragment_is_named_without_being_used(name: str) -> None:
    uses = next(line for line in _head(name) if line.startswith("-- USES ")).split()[2:]
    whole = assemble(read_lua(name), read_lua)
    for fragment in uses:
        defined = re.findall(r"^local (?:function )?(\w+)", _body(f"fragments/{fragment}"), re.MULTILINE)
        assert any(len(re.findall(rf"\b{word}\b", whole)) > 1 for word in defined), fragment


def test_every_fragment_opens_with_what_it_is_for() -> None:
    for name in FRAGMENTS:
        assert read_lua(f"fragments/{name}").startswith("-- ")


def test_times_are_formatted_only_by_the_one_function_that_keeps_all_digits() -> None:
    for name in [*SCRIPTS, *(f"fragments/{fragment}" for fragment in FRAGMENTS)]:
        assert "tostring(now" not in _body(name)
        assert not re.search(r"\.\. now\b|\bnow \.\.", _body(name)), name
