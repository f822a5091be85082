"""Submits one job of each kind and tells how they ended; beside it runs `rrq worker run --config rrq.toml`."""

from __future__ import annotations

import sys
import time
from typing import Any

from rrq.producer_ffi import RustProducer  # type: ignore[import-untyped] # it ships no types

JOBS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # Ended at its deadline, while the others on the same connection go on.
    ("validate", {"text": "a" * 64 + "b"}, {"job_timeout_seconds": 2}),
    ("greet", {"name": "Ada"}, {}),
    ("process_order", {"order_id": 42}, {}),
    ("process_order", {}, {}),
    ("count_primes", {"limit": 50_000}, {}),
    ("validate", {"text": "aaa"}, {}),
]


def main(config: str = "rrq.toml") -> None:
    """Waits for all of them."""
    producer = RustProducer.from_toml(config)
    submitted = []
    for function, params, options in JOBS:
        answer = producer.enqueue({"function_name": function, "params": params, "options": options})
        submitted.append((function, params, answer["job_id"]))
    for function, params, job_id in submitted:
        shown = str(params) if len(str(params)) < 40 else f"{str(params)[:37]}..."
        print(f"{function} {shown}: {ending(producer, job_id)}", flush=True)
    producer.close()


def ending(producer: RustProducer, job_id: str | None) -> str:
    """The job's result, or why it has none."""
    if job_id is None:
        return "not accepted"
    while True:
        job = producer.get_job_status(job_id).job
        if job is not None and job.status == "COMPLETED":
            return str(job.result)
        if job is not None and job.status == "FAILED":
            return f"failed: {job.last_error}"
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
