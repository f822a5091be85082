"""A collector as OpenTelemetry's exporters know it: OTLP over HTTP on this host, with all that came in."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.processes.harness import eventually


@dataclass(frozen=True)
class Span:
    """One span as it came over the wire; times are nanoseconds since 1970."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: tuple[str, ...]


class Collector:
    """Listens while the block runs."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: dict[str, list[Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """What makes an exporter send here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_address[1]}"}

    def named(self, name: str, number: int = 1, **attributes: object) -> list[Span]:
        """Waits for so many spans of that name, with these attributes (`_` for `.`)."""

        def find() -> list[Span]:
            found = [
                span
                for span in self.spans
                if span.name == name
                and all(span.attributes.get(key.replace("_", ".")) == value for key, value in attributes.items())
            ]
            return found if len(found) >= number else []

        return eventually(find, seen=lambda: [(span.name, span.attributes) for span in self.spans])

    def one(self, name: str, **attributes: object) -> Span:
        """Waits for the only span of that name with these attributes."""
        [span] = self.named(name, **attributes)
        return span

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                take(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it overrides
                pass

        return Handler

    def _take(self, path: str, body: bytes) -> None:
        takers: dict[str, Callable[[bytes], None]] = {"/v1/traces": self._take_spans, "/v1/metrics": self._take_metrics}
        takers[path](body)

    def _take_spans(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [_span(span, resource) for span in scope.spans]

    def _take_metrics(self, body: bytes) -> None:
        for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    shape = getattr(metric, metric.WhichOneof("data"))
                    # What came last counts: they are sums since the process began.
                    self.metrics[metric.name] = list(shape.data_points)


def _span(span: Any, resource: dict[str, Any]) -> Span:
    return Span(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == 2,
        _attributes(span.attributes),
        resource,
        tuple(event.name for event in span.events),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
