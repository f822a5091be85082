"""`python -m rrqmp.supervisor`: a supervisor for scripts and service managers, the same as `rrqmp run`."""

from rrqmp.cli.run_command import main

if __name__ == "__main__":
    main()
