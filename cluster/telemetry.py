"""Traces over OTLP, one exporter per process, with the context carried across Ray by hand.

    setup("coordinator")                              # once per process; does nothing without an endpoint
    span = start(name, parent, identity=f"{run_id}/{step_id}")
    lane.call(..., carrier(span))                     # a W3C traceparent, or "" when there is no span

Ray's own tracing hook is unmaintained and breaks streaming actor methods, so the context travels as an
argument: a W3C ``traceparent``, with a ``tracestate`` behind a blank when the client sent one. Baggage is not
carried on: it is the client's, and nothing here reads it. The provider is ours alone and never the global one: FastAPI, Serve and LiteLLM trace into the global
provider once there is one, with names and contents that nobody asked for.

A span may have an identity, from which its id is made. Whoever starts the same step again, because the process that
did it first was killed, starts the same span again, so what was begun below the lost one is no orphan.

A collector that is down costs a bounded queue and one warning; runs never wait for it. Spans leave a process within
five seconds of their end, or what OTEL_BSP_SCHEDULE_DELAY says: an export costs 2 ms of CPU, whatever is in it. Ray ends
its workers without notice: call `flush` before an actor is killed, else it takes those seconds' spans with it. Sampling
is the SDK's: parent-based, or what OTEL_TRACES_SAMPLER says.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cluster.resource import resource
from cluster.semconv import Value
from cluster.settings import TelemetrySettings
from cluster.undelivered import OneWarning
from cluster.within import within

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.id_generator import IdGenerator

EXPORT_TIMEOUT_S = 3.0
EXIT_TIMEOUT_S = 2.0

_OURS = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""What `carrier` writes when there is no tracestate."""

_log = logging.getLogger(__name__)
_propagator = TraceContextTextMapPropagator()
_silent = trace.NoOpTracer()
_next_id: ContextVar[int] = ContextVar("stellarator_next_span_id", default=0)


@dataclass(slots=True)
class _Process:
    """What `setup` made of this process."""

    provider: TracerProvider | None = None
    tracer: trace.Tracer = _silent
    content: bool = False
    undelivered: bool = False


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


def is_on() -> bool:
    """Whether this process' spans record anything."""
    return _process.provider is not None


def captures_content() -> bool:
    """Whether spans are to carry prompts and answers: only when tracing is on and it was asked for by name."""
    return _process.content


def start(
    name: str,
    parent: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Value] | None = None,
    *,
    identity: str = "",
    at: float | None = None,
    links: Sequence[Link] = (),
) -> Span:
    """Start a span, to be ended by whoever holds it.

    Args:
        name: of the span.
        parent: the carrier of the span that it belongs under; empty starts a trace of its own.
        kind: as OpenTelemetry has them.
        attributes: known from the start, so that samplers see them.
        identity: what this span is of. The same identity gets the same span id, in any process; empty: by chance.
        at: Unix time in seconds at which it began; None: now.
        links: to spans of other traces.
    """
    token = _next_id.set(_id_of(identity) if identity else 0)
    try:
        return _process.tracer.start_span(
            name,
            continue_from(parent),
            kind,
            attributes,
            links=links,
            start_time=None if at is None else int(at * 1e9),
        )
    finally:
        _next_id.reset(token)


def link(trace_id: str, identity: str) -> Link | None:
    """A link to the span of that identity in another trace (32 hex digits); None when there is no such trace."""
    try:
        number = int(trace_id, 16)
    except ValueError:
        return None
    there = SpanContext(number, _id_of(identity), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return Link(there) if there.is_valid else None


def carrier(span: Span | None = None) -> str:
    """The W3C context of a span (the current one, when left out), as an argument; empty when there is none."""
    at = (span or trace.get_current_span()).get_span_context()
    if not at.is_valid:
        return ""
    parent = f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"
    return f"{parent} {at.trace_state.to_header()}" if at.trace_state else parent


def trace_id_of(span: Span | None = None) -> str:
    """The trace's id of a span (the current one), 32 hex digits, as Jaeger shows it; empty when there is none."""
    at = (span or trace.get_current_span()).get_span_context()
    return f"{at.trace_id:032x}" if at.is_valid else ""


def trace_id_in(carried: str) -> str:
    """The trace's id of what `carrier` wrote; empty when there is none."""
    return trace_id_of(trace.get_current_span(continue_from(carried))) if carried else ""


def continue_from(parent: str) -> context.Context:
    """The context to start a span in: a child of what `carrier` wrote, or of the current span when that is bad."""
    current = context.get_current()
    if not parent:
        return current
    if _OURS.fullmatch(parent):
        return trace.set_span_in_context(trace.NonRecordingSpan(_read(parent)), current)
    traceparent, _, tracestate = parent.partition(" ")
    return _propagator.extract({"traceparent": traceparent, "tracestate": tracestate}, current)


@lru_cache(maxsize=256)
def _read(traceparent: str) -> SpanContext:
    # The propagator takes four times as long, and every span of a run comes through here.
    _, trace_id, span_id, flags = traceparent.split("-")
    sampled = TraceFlags(int(flags, 16))
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)


def flush(timeout: float = EXIT_TIMEOUT_S) -> bool:
    """Send the spans that ended so far; whether that was done within `timeout` seconds.

    Does not wait for a collector that did not take the last spans either.
    """
    provider = _process.provider
    if provider is not None and _process.undelivered:
        return False
    return provider is None or within(timeout, provider.force_flush)


def shutdown(timeout: float = EXIT_TIMEOUT_S) -> None:
    """Send what is left, for at most `timeout` seconds, and stop exporting. Runs by itself at exit."""
    provider, _process.provider = _process.provider, None
    _process.tracer, _process.content, _process.undelivered = _silent, False, False
    if provider is not None:
        within(timeout, provider.shutdown)
        atexit.unregister(shutdown)


def _provider(service: str, settings: TelemetrySettings) -> TracerProvider:
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # 0.1 s that only traced processes pay
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # the same

    provider = TracerProvider(
        resource=resource(service, settings), shutdown_on_exit=False, id_generator=_ids()
    )
    exporter = _one_warning(_exporter(settings))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _ids() -> IdGenerator:
    """Chance, but for spans that have an identity."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415  # see _provider

    class Ids(RandomIdGenerator):
        def generate_span_id(self) -> int:
            return _next_id.get() or super().generate_span_id()

    return Ids()


def _id_of(identity: str) -> int:
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big") or 1


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

    warning = OneWarning(
        _log,
        "Traces cannot be delivered and are dropped until they can be; runs go on. "
        "Check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL.",
    )

    class WarningExporter(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = inner.export(spans)
            _process.undelivered = result is not SpanExportResult.SUCCESS
            if _process.undelivered:
                warning.say()
            return result

        def shutdown(self) -> None:
            inner.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return inner.force_flush(timeout_millis)

    return WarningExporter()
