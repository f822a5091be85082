"""The benchmark application after `import numpy`: what a worker of a usual program shares with its template."""

from __future__ import annotations

import numpy as np

from benchmarks.apps import make_engine

engine = make_engine()
VERSION = np.__version__
