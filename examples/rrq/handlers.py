"""The functions of the runner: those of RRQ's own pages, and one that burns a processor."""

from __future__ import annotations

import re
from typing import Any

from rrqmp import ActivityContext, ActivityHandler, NonRetry
from rrqmp.runner import ExecutionOutcome, ExecutionRequest, Registry

registry = Registry()


@registry.register
def greet(request: ExecutionRequest) -> ExecutionOutcome:
    """As in the README of `rrq-runner`."""
    name = request.params.get("name", "World")
    return request.success({"message": f"Hello, {name}!"})


@registry.register
async def process_order(request: ExecutionRequest) -> dict[str, Any]:
    """A value is a success, an exception a failure; `Retry` and `NonRetry` say more."""
    order_id = request.params.get("order_id")
    if not order_id:
        raise NonRetry("missing order_id")
    return {"processed": order_id, "attempt": request.context.attempt}


class CountPrimes(ActivityHandler[dict[str, int], int]):
    """A handler of a queue serves the runner too: its payload is the job's parameters."""

    timeout = 60

    def handle(self, payload: dict[str, int], context: ActivityContext) -> int:
        """How many primes there are below the limit."""
        limit = payload["limit"]
        return sum(all(number % divisor for divisor in range(2, int(number**0.5) + 1)) for number in range(2, limit))


registry.register(CountPrimes)


@registry.register
def validate(request: ExecutionRequest) -> bool:
    """A pattern that takes years on some texts, in C code that lets no other thread run.

    In RRQ's own Python runner it stops every other job, every cancel and every deadline of its process.
    """
    return re.fullmatch(r"(a+)+", request.params["text"]) is not None
