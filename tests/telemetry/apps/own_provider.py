"""An engine with a tracer provider of its own making: one whose exporter hangs, or whose making fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from rrqmp import WorkerEngine


class Hangs(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        threading.Event().wait()
        return SpanExportResult.SUCCESS


def make_provider() -> TracerProvider:
    kind = os.environ["PROVIDER_KIND"]
    if kind == "fails":
        raise SystemExit("no provider today")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Hangs() if kind == "hangs" else OTLPSpanExporter()))
    return provider


engine = WorkerEngine(tracing=make_provider)


@engine.activity
def pid(payload: Any) -> int:
    return os.getpid()


@engine.activity(max_retries=0)
def hang(payload: Any) -> None:
    while True:
        pass
