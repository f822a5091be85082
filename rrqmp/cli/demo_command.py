"""`rrqmp demo`: the door of `rrqmp.demo`."""

from __future__ import annotations

import click


@click.command("demo")
@click.option("--workers", type=click.IntRange(1, 64), default=None, metavar="N", help="default: the usable CPUs")
@click.option("--redis-url", default=None, metavar="URL", help="use this server; default: an embedded one of its own")
def command(workers: int | None, redis_url: str | None) -> None:
    """Measures the standard library while four handlers misbehave.

    One of them never ends in Python, one never ends in C, one crashes the interpreter, one leaves the process. Needs
    neither a Redis server nor any file: what it starts and writes is gone when it ends.
    """
    from rich.console import Console

    from rrqmp.demo.show import run_demo

    run_demo(Console(), workers=workers, redis_url=redis_url)
