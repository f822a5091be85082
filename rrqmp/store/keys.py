"""Every key and channel of a queue; nothing else spells one. The scripts get theirs from `SUFFIXES` at loading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

# The layout of records and keys; a queue that holds another one is refused.
LAYOUT_VERSION: Final = 1

# What follows `<prefix>:{<queue>}:`. Those that end in a colon are families, completed by an id, a type or a node.
SUFFIXES: Final = {
    "meta": "meta",
    "activity": "activity:",
    "ready": "ready:",
    "heads": "heads",
    "scheduled": "scheduled",
    "expiries": "expiries",
    "children": "children:",
    "wake": "wake:",
    "node": "node:",
    "nodes": "nodes",
    "about": "about:",
    "cancels": "cancels:",
    "paused": "paused",
    "limits": "limits",
    "active": "active",
    "count": "count",
    "dead": "dead",
    "ended": "ended",
    "idempotency": "idempotency:",
    "done": "done:",
    "due": "due",
    "control": "control:",
}


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys of one queue. All share one hash tag, so that a queue lies in one cluster slot."""

    queue: str
    prefix: str = "rrqmp"
    root: str = field(init=False, repr=False, compare=False)
    meta: str = field(init=False, repr=False, compare=False)
    # What every script call sends as its keys: the rest is derived from the first inside the script.
    script_keys: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        root = f"{self.prefix}:{{{self.queue}}}:"
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "meta", root + SUFFIXES["meta"])
        object.__setattr__(self, "script_keys", (self.meta,))

    def activity(self, activity_id: str) -> str:
        """The record."""
        return f"{self.root}{SUFFIXES['activity']}{activity_id}"

    def ready(self, activity_type: str) -> str:
        """Ids that wait for a worker, by virtual time."""
        return f"{self.root}{SUFFIXES['ready']}{activity_type}"

    def wake(self, activity_type: str) -> str:
        """The list that an idle worker of this type blocks on."""
        return f"{self.root}{SUFFIXES['wake']}{activity_type}"

    def node(self, node: str) -> str:
        """What each slot of the node is said to hold."""
        return f"{self.root}{SUFFIXES['node']}{node}"

    def about(self, node: str) -> str:
        """What the node tells of itself."""
        return f"{self.root}{SUFFIXES['about']}{node}"

    def cancels(self, node: str) -> str:
        """What the node is asked to cancel."""
        return f"{self.root}{SUFFIXES['cancels']}{node}"

    def idempotency(self, activity_type: str, key: str) -> str:
        """The owner of an idempotency key; the length keeps type `a:b` key `c` apart from type `a` key `b:c`."""
        return f"{self.root}{SUFFIXES['idempotency']}{len(activity_type.encode())}:{activity_type}:{key}"

    def children(self, parent: str) -> str:
        """The ids that an activity has submitted to this queue, by the time of their submission."""
        return f"{self.root}{SUFFIXES['children']}{parent}"

    def single(self, name: str) -> str:
        """A key that a queue has once, by its name in `SUFFIXES`."""
        return self.root + SUFFIXES[name]

    def done_channel(self, reply: str) -> str:
        """Where endings are told: `reply` is a client's own word, or the id of a watched activity."""
        return f"{self.root}{SUFFIXES['done']}{reply}"

    @property
    def due_channel(self) -> str:
        """Told when the earliest due time moves forward."""
        return self.root + SUFFIXES["due"]

    def control_channel(self, node: str) -> str:
        """Told when a node is asked to cancel something."""
        return f"{self.root}{SUFFIXES['control']}{node}"
