"""`python -m rrqmp` is the `rrqmp` script."""

from rrqmp.cli.commands import main

if __name__ == "__main__":
    main()
