"""`python -m rrqmp.supervisor` is `rrqmp run`. Entry points stand above all rooms: this file alone looks up to `cli`."""

from rrqmp.cli.run_command import main

if __name__ == "__main__":
    main()
