"""What metrics and traces cost: processor time for a no-op, and how late a kill is in a storm of scrapes."""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import threading
import urllib.request
from collections.abc import Iterator, Sequence

from benchmarks.findings import Finding, percentile, run, spread, tell
from benchmarks.idle import cpu_ns
from benchmarks.kills import Bench
from benchmarks.probe import Probe
from benchmarks.rig import Rig, Supervised, until

_SILENT = 100


def free_address() -> str:
    """A port that nobody has; taken again at once by whoever is told of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def cost_of(supervised: Supervised, count: int) -> float:
    """Microseconds of the one worker's processor time for each activity of a backlog."""
    queue = supervised.queue
    before = queue.completed()
    queue.pause()
    queue.fill(count)
    [worker] = supervised.workers()
    began = cpu_ns(worker)
    queue.resume()
    until(lambda: queue.completed() >= before + count, 60, "the end of the backlog", 0.02)
    return (cpu_ns(worker) - began) / count / 1000


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Off, Prometheus, spans, and again; then kills without and with scrapers."""
    with Rig() as rig, Probe(rig.folder) as probe:
        return [*_costs(rig, arguments), *_kills(rig, probe, arguments)]


def _costs(rig: Rig, arguments: argparse.Namespace) -> list[Finding]:
    modes = {
        "all off": rig.supervise(rig.queue(), "--spares", "0", workers=1),
        "Prometheus": rig.supervise(rig.queue(), "--spares", "0", "--metrics-address", free_address(), workers=1),
        "spans": rig.supervise(rig.queue(), "--spares", "0", app="benchmarks.traced_app:engine", workers=1),
    }
    costs: dict[str, list[float]] = {name: [] for name in modes}
    for supervised in modes.values():
        cost_of(supervised, arguments.count // 4)
    for _ in range(arguments.repetitions):
        for name, supervised in modes.items():
            costs[name].append(cost_of(supervised, arguments.count))
    for name, values in costs.items():
        tell(f"  {name}, us a no-op: {spread(values)}")
    for supervised in modes.values():
        supervised.stop()
    off = statistics.median(costs["all off"])
    return [
        Finding(name="a no-op with all off, worker", figure=off, unit="us"),
        Finding(name="Prometheus adds", figure=statistics.median(costs["Prometheus"]) - off, unit="us"),
        Finding(name="spans add", figure=statistics.median(costs["spans"]) - off, unit="us"),
    ]


def _kills(rig: Rig, probe: Probe, arguments: argparse.Namespace) -> list[Finding]:
    address = free_address()
    with Bench(rig, probe, "--spares", "0", "--metrics-address", address) as bench:
        bench.kill_one("stuck_in_c")
        quiet = [bench.kill_one("stuck_in_c")[0] for _ in range(arguments.kills)]
        with storm(address):
            late = [bench.kill_one("stuck_in_c")[0] for _ in range(arguments.kills)]
    tell(f"  killed late, nobody scrapes, ms: {spread(quiet)}")
    tell(f"  killed late in a storm of scrapes, ms: {spread(late)}")
    return [
        Finding(name="killed after the deadline, nobody scrapes, p95", figure=percentile(quiet, 0.95), unit="ms"),
        Finding(name="killed after the deadline, storm, p95", figure=percentile(late, 0.95), unit="ms", goal=20),
    ]


@contextlib.contextmanager
def storm(address: str) -> Iterator[None]:
    """A hundred connections that ask and never read, and a scraper that comes again and again."""
    host, _, port = address.rpartition(":")
    stop = threading.Event()

    def scrape_on() -> None:
        while not stop.wait(0.02):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/metrics") as answer:
                answer.read()

    with contextlib.ExitStack() as silent:
        for _ in range(_SILENT):
            one = silent.enter_context(socket.create_connection((host, int(port))))
            one.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        scraper = threading.Thread(target=scrape_on)
        scraper.start()
        try:
            yield
        finally:
            stop.set()
            scraper.join()


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="no-ops a repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--kills", type=int, default=20)
    return parser


if __name__ == "__main__":
    run("metrics", options().parse_args(), measure)
