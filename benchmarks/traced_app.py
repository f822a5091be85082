"""The benchmarks' handlers with a span for each attempt, which goes nowhere: what is measured is the making."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.apps import noop
from rrqmp import WorkerEngine


class Nowhere(SpanExporter):
    """Takes all spans."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keeps none."""
        return SpanExportResult.SUCCESS


def make_provider() -> TracerProvider:
    """As tracing=True makes one, but for the wire."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    return provider


engine = WorkerEngine(tracing=make_provider)
engine.register_activity(noop)
