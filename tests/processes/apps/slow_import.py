"""An application whose import does not end, with a helper that it started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(os.environ["IMPORTING"]).write_text(str(os.getpid()))
time.sleep(600)
