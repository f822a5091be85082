"""Keys: one hash tag, one place each, and no two meanings for one text."""

from __future__ import annotations

import pytest

from rrqmp.store.calls.cycle import SlotIdent
from rrqmp.store.keys import SUFFIXES, QueueKeys
from rrqmp.store.rules import StoreRules


def test_all_keys_of_a_queue_share_its_hash_tag() -> None:
    keys = QueueKeys("img")
    every = [
        keys.meta, keys.activity("x"), keys.ready("t"), keys.wake("t"), keys.node("n@1"), keys.cancels("n@1"),
        keys.about("n@1"),
        keys.idempotency("t", "k"), keys.single("heads"), keys.done_channel("c"), keys.due_channel,
        keys.control_channel("n@1"),
    ]  # fmt: skip
    assert all(key.startswith("rrqmp:{img}:") for key in every)
    assert len(set(every)) == len(every)


def test_prefix_is_a_setting() -> None:
    assert QueueKeys("q", prefix="mine").meta == "mine:{q}:meta"


def test_idempotency_keys_of_different_types_never_meet() -> None:
    keys = QueueKeys("q")
    assert keys.idempotency("a:b", "c") != keys.idempotency("a", "b:c")
    assert keys.idempotency("é", "k").startswith("rrqmp:{q}:idempotency:2:")


def test_families_end_in_a_colon_and_nothing_else_does() -> None:
    families = {name for name, suffix in SUFFIXES.items() if suffix.endswith(":")}
    assert families == {
        "about",
        "activity",
        "ready",
        "wake",
        "node",
        "cancels",
        "children",
        "idempotency",
        "done",
        "control",
    }


def test_token_names_node_slot_process_and_call() -> None:
    assert SlotIdent("a@b", 2, 3).token(4) == "a@b/2.3.4"


@pytest.mark.parametrize(
    ("rules", "packed"),
    [
        (StoreRules(), "3600000000 3 5 86400000 86400000 10000000"),
        (StoreRules(priority_aging=None), "1000000000000000 3 5 86400000 86400000 10000000"),
        (StoreRules(result_ttl=1.0, key_ttl=0.0, lease=0.5), "3600000000 3 5 60000 60000 500000"),
    ],
)
def test_rules_travel_in_one_text(rules: StoreRules, packed: str) -> None:
    assert rules.packed == packed
