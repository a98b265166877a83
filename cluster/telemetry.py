"""Traces over OTLP, one exporter per process, with the context carried across Ray by hand.

    setup("coordinator")                              # once per process; does nothing without an endpoint
    with tracer().start_as_current_span(name, continue_from(traceparent)):
        lane.call(..., carrier())                     # a W3C traceparent, or "" when there is no span

Ray's own tracing hook is unmaintained and breaks streaming actor methods, so the context travels as an
argument. The provider is ours alone and never the global one: FastAPI, Serve and LiteLLM trace into the global
provider once there is one, with names and contents that nobody asked for.

A collector that is down costs a bounded queue and one warning; runs never wait for it. Spans leave a process
after at most 0.3 s, but Ray ends its workers without notice: call `flush` before an actor is killed.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cluster.resource import resource
from cluster.settings import TelemetrySettings
from cluster.within import within

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

SCHEDULE_DELAY_MS = 300
EXPORT_TIMEOUT_S = 3.0
EXIT_TIMEOUT_S = 2.0

_log = logging.getLogger(__name__)
_propagator = TraceContextTextMapPropagator()
_silent = trace.NoOpTracer()


@dataclass(slots=True)
class _Process:
    """What `setup` made of this process."""

    provider: TracerProvider | None = None
    tracer: trace.Tracer = _silent
    content: bool = False


_process = _Process()


def setup(service: str, settings: TelemetrySettings | None = None) -> None:
    """Start exporting this process' spans, when the environment names an endpoint. Harmless to repeat.

    Args:
        service: the process' role, for example ``gateway``; it becomes ``stellarator.role``.
        settings: read from the environment when left out.

    Raises:
        SetupError: the environment asks for a protocol that does not exist.
    """
    wanted = settings or TelemetrySettings.from_env()
    if _process.provider is not None or not wanted.enabled:
        return
    _process.provider = _provider(service, wanted)
    _process.tracer = _process.provider.get_tracer("stellarator")
    _process.content = wanted.content
    atexit.register(shutdown)


def tracer() -> trace.Tracer:
    """The tracer for our spans; without an exporter its spans record nothing and cost microseconds."""
    return _process.tracer


def captures_content() -> bool:
    """Whether spans are to carry prompts and answers: only when tracing is on and it was asked for by name."""
    return _process.content


def carrier(span: trace.Span | None = None) -> str:
    """A span (the current one, when left out) as a W3C ``traceparent``; empty when there is none."""
    at = (span or trace.get_current_span()).get_span_context()
    if not at.is_valid:
        return ""
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"


def trace_id_of(span: trace.Span | None = None) -> str:
    """The trace's id of a span (the current one), 32 hex digits, as Jaeger shows it; empty when there is none."""
    at = (span or trace.get_current_span()).get_span_context()
    return f"{at.trace_id:032x}" if at.is_valid else ""


def continue_from(traceparent: str) -> context.Context:
    """The context to start a span in: a child of `traceparent`, or of the current span when it is empty or bad."""
    current = context.get_current()
    return _propagator.extract({"traceparent": traceparent}, current) if traceparent else current


def flush(timeout: float = EXIT_TIMEOUT_S) -> bool:
    """Send the spans that ended so far; whether that was done within `timeout` seconds."""
    provider = _process.provider
    return provider is None or within(timeout, provider.force_flush)


def shutdown(timeout: float = EXIT_TIMEOUT_S) -> None:
    """Send what is left, for at most `timeout` seconds, and stop exporting. Runs by itself at exit."""
    provider, _process.provider = _process.provider, None
    _process.tracer, _process.content = _silent, False
    if provider is not None:
        within(timeout, provider.shutdown)
        atexit.unregister(shutdown)


def _provider(service: str, settings: TelemetrySettings) -> TracerProvider:
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # 0.1 s that only traced processes pay
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # the same

    provider = TracerProvider(resource=resource(service, settings), shutdown_on_exit=False)
    exporter = _one_warning(_exporter(settings))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SCHEDULE_DELAY_MS))
    return provider


def _exporter(settings: TelemetrySettings) -> SpanExporter:
    timeout = None if settings.timeout_given else EXPORT_TIMEOUT_S
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415  # 0.2 s
            OTLPSpanExporter as GrpcExporter,
        )

        return GrpcExporter(timeout=timeout)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # 0.2 s
        OTLPSpanExporter as HttpExporter,
    )

    return HttpExporter(timeout=timeout)


def _one_warning(inner: SpanExporter) -> SpanExporter:
    """`inner`, saying once that the collector does not answer instead of with every batch."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415  # see _provider

    class OneWarning(SpanExporter):
        unsaid = threading.Lock()  # who gets it says it; a flush exports beside the batch's own thread

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = inner.export(spans)
            if result is not SpanExportResult.SUCCESS and self.unsaid.acquire(blocking=False):
                _log.warning(
                    "Traces cannot be delivered and are dropped until they can be; runs go on. "
                    "Check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL."
                )
            return result

        def shutdown(self) -> None:
            inner.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return inner.force_flush(timeout_millis)

    for name in ("opentelemetry.exporter.otlp", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return OneWarning()
