"""An application that ends the process it is imported in."""

from __future__ import annotations

import os

os._exit(3)
