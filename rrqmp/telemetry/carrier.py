"""The submitter's place in its trace, to be stored with what it submits.

Nothing is imported for it: who has a current span has imported OpenTelemetry already.
"""

from __future__ import annotations

import sys
from typing import Any, Final

_MODULE: Final = "opentelemetry.trace"


def current_carrier() -> dict[str, str] | None:
    """The W3C headers of the current span, `None` where there is none."""
    # `Any`: it may be there and still be on its way in another thread.
    trace: Any = sys.modules.get(_MODULE)
    get_current_span = getattr(trace, "get_current_span", None)
    if get_current_span is None or not get_current_span().get_span_context().is_valid:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier or None
