"""`python -m rrqmp.runner`: a runner for an orchestrator's `cmd`, the same as `rrqmp runner`."""

from rrqmp.cli.runner_command import main

if __name__ == "__main__":
    main()
