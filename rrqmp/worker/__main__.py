"""`python -m rrqmp.worker CONTROL_FD LAUNCH`: a template, started by a supervisor and by nobody else."""

import sys

from rrqmp.worker.template import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
