"""OpenTelemetry's providers of one process: made after its fork, exporting by OTLP over HTTP, flushed as it leaves.

The SDK is an extra and has threads, so this module is imported in workers only, and only where it was asked for.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

FLUSH_SECONDS: Final = 2.0
# What a kill may take along of activities that ended before: the SDK's own five seconds would be many of them.
_SPAN_DELAY_MS: Final = 200
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


def endpoint_of(signal: str) -> str | None:
    """What the environment says of `traces` or `metrics`: an address, nothing (`None`), or empty for off."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", os.environ.get(_ENDPOINT))


def make_tracer_provider(service_name: str = "", *, unset_is_off: bool = False) -> TracerProvider:
    """Exports spans to where `OTEL_EXPORTER_OTLP_ENDPOINT` points, by default to this host; an empty one is off.

    `OTEL_SERVICE_NAME` goes before the name given.
    """
    provider = TracerProvider(resource=_resource(service_name), id_generator=DirectedIds(RandomIdGenerator()))
    if _exports("traces", unset_is_off):
        delay = None if "OTEL_BSP_SCHEDULE_DELAY" in os.environ else _SPAN_DELAY_MS
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=delay))
    return provider


def make_meter_provider(service_name: str = "", *, unset_is_off: bool = False) -> MeterProvider:
    """Exports metrics as `make_tracer_provider` does spans, every `OTEL_METRIC_EXPORT_INTERVAL`."""
    readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if _exports("metrics", unset_is_off) else []
    return MeterProvider(metric_readers=readers, resource=_resource(service_name))


def _exports(signal: str, unset_is_off: bool) -> bool:
    endpoint = endpoint_of(signal)
    return not unset_is_off if endpoint is None else endpoint != ""


def shut_down(close: Callable[[], object], seconds: float = FLUSH_SECONDS) -> bool:
    """Flushes and closes, and waits no longer than that: a collector that hangs must hold up no leaving worker."""
    # The SDK's own bounds do not reach its exporters, which try again for ten seconds.
    thread = threading.Thread(target=_quietly, args=(close,), name="rrqmp-flush", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def _quietly(close: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        close()


def _resource(service_name: str) -> Resource:
    attributes = {"process.pid": os.getpid()}
    # `create` would take the environment's name only where none is given here.
    if service_name and not os.environ.get("OTEL_SERVICE_NAME"):
        return Resource.create({**attributes, SERVICE_NAME: service_name})
    return Resource.create(attributes)


_directed: ContextVar[tuple[int, int] | None] = ContextVar("rrqmp_directed_ids", default=None)


class DirectedIds(IdGenerator):
    """Ids of a provider, but for the one span that is given its own.

    The span of an attempt has an id that its successor can compute: the process may be killed before it can export the
    span, and what its handler had submitted names that span as its parent.
    """

    def __init__(self, inner: IdGenerator) -> None:
        self._inner = inner

    @contextlib.contextmanager
    def directed(self, trace_id: int, span_id: int) -> Iterator[None]:
        """The next span that this thread starts gets the span id, and the trace id where it has no parent."""
        token = _directed.set((trace_id, span_id))
        try:
            yield
        finally:
            _directed.reset(token)

    def generate_span_id(self) -> int:
        """The given one, or another."""
        given = _directed.get()
        return given[1] if given else self._inner.generate_span_id()

    def generate_trace_id(self) -> int:
        """The given one, or another."""
        given = _directed.get()
        return given[0] if given else self._inner.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """As the provider's own say; ours are digests of random ids."""
        inner: Any = self._inner
        return bool(getattr(inner, "is_trace_id_random", bool)())
