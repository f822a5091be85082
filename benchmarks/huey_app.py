"""The benchmark's handler as a Huey task; imported by its consumer and by the producer that compares."""

from __future__ import annotations

import os

from huey import RedisHuey  # type: ignore[import-untyped]  # it has no types

if os.environ.get("HUEY_NUMPY"):
    import numpy as np  # noqa: F401 - its memory is what is measured

huey = RedisHuey("benchmark", url=os.environ["HUEY_URL"])


@huey.task()  # type: ignore[untyped-decorator]  # it has no types
def noop(payload: object) -> None:
    """Nothing."""
