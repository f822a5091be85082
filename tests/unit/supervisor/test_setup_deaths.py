"""How long a type whose setup kills its process is left alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from rrqmp.shared_state.around import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from rrqmp.supervisor.setup_deaths import SetupDeaths


@dataclass
class Watched:
    """Deaths under a clock that the test moves."""

    now: float = 1000.0
    deaths: SetupDeaths = field(init=False)

    def __post_init__(self) -> None:
        self.deaths = SetupDeaths(lambda: self.now)

    def die(self, kind: str = "a") -> float:
        """One death; for how long the type is aside after it."""
        self.deaths.died(kind)
        return dict(self.deaths.aside())[kind]


def test_each_wave_of_deaths_sets_the_type_aside_for_longer() -> None:
    watched = Watched()
    pauses = []
    for _ in range(12):
        pauses.append(watched.die())
        watched.now += pauses[-1]
        assert watched.deaths.aside() == ()
    assert pauses[0] == FIRST_PAUSE_SECONDS
    assert pauses[1] == 2 * FIRST_PAUSE_SECONDS
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_deaths_of_workers_that_tried_at_once_are_one_wave() -> None:
    watched = Watched()
    for _ in range(8):
        assert watched.die() == FIRST_PAUSE_SECONDS


def test_trouble_that_has_passed_is_forgotten() -> None:
    watched = Watched()
    for _ in range(5):
        watched.now += watched.die()
    watched.now += 2 * LONGEST_PAUSE_SECONDS + 1
    assert watched.die() == FIRST_PAUSE_SECONDS


def test_types_are_counted_apart() -> None:
    watched = Watched()
    watched.now += watched.die("a")
    watched.die("a")
    assert watched.die("b") == FIRST_PAUSE_SECONDS
