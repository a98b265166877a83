"""Real OTLP receivers in this process, over gRPC and over HTTP, for any test that wants to see spans or metrics.

with GrpcReceiver() as collector:
    ...  # a process with OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint and collector.protocol
    spans = collector.wait_for(lambda spans: any(span.name == "chat x" for span in spans))
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from tests.certificate import Certificate

PATIENCE_S = 120.0
"""Machines are slow, and who works out contributions has the lowest priority."""
_CUMULATIVE = 2


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it came over the wire; ids are hex, `parent_id` is empty for a root, times are Unix seconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    status: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: str
    began: float
    ended: float
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    trace_state: str = ""

    def happened(self, event: str) -> list[dict[str, Any]]:
        """The attributes of the events of that name."""
        return [attributes for name, attributes in self.events if name == event]


@dataclass(frozen=True, slots=True)
class ReceivedPoint:
    """One figure of a metric as it came over the wire; of a histogram `value` is the sum."""

    name: str
    unit: str
    value: float
    count: int
    bounds: tuple[float, ...]
    buckets: tuple[int, ...]
    cumulative: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    time: int


class Receiver:
    """What both receivers share: the spans and points, and waiting for them without sleeping."""

    protocol: ClassVar[str]
    endpoint: str

    def __init__(self, tls: Certificate | None = None) -> None:
        self._tls = tls
        self._headers: list[dict[str, str]] = []
        self._spans: list[ReceivedSpan] = []
        self._points: list[ReceivedPoint] = []
        self._news = threading.Condition()

    @property
    def spans(self) -> tuple[ReceivedSpan, ...]:
        with self._news:
            return tuple(self._spans)

    @property
    def headers(self) -> tuple[dict[str, str], ...]:
        """The headers (or gRPC's metadata) of each request for spans."""
        with self._news:
            return tuple(self._headers)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to send its spans here, and soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
            "OTEL_BSP_SCHEDULE_DELAY": "300",
        }

    def wait_for(
        self, enough: Callable[[tuple[ReceivedSpan, ...]], bool], timeout: float = PATIENCE_S
    ) -> tuple[ReceivedSpan, ...]:
        """The spans, once there are enough; fails with the names that did come."""
        with self._news:
            if not self._news.wait_for(lambda: enough(tuple(self._spans)), timeout):
                raise AssertionError(
                    f"these spans came, which is not enough: {[s.name for s in self._spans]}"
                )
            return tuple(self._spans)

    @property
    def points(self) -> tuple[ReceivedPoint, ...]:
        """The newest figure of each series of each process."""
        with self._news:
            return _newest(self._points)

    def wait_for_points(
        self, enough: Callable[[tuple[ReceivedPoint, ...]], bool], timeout: float = PATIENCE_S
    ) -> tuple[ReceivedPoint, ...]:
        """The newest figures, once there are enough; fails with the names that did come."""
        with self._news:
            if not self._news.wait_for(lambda: enough(_newest(self._points)), timeout):
                raise AssertionError(f"these came, which is not enough: {_newest(self._points)}")
            return _newest(self._points)

    def receive_metrics(self, request: ExportMetricsServiceRequest) -> None:
        with self._news:
            self._points.extend(_points(request))
            self._news.notify_all()

    def receive(
        self, request: ExportTraceServiceRequest, headers: Iterable[tuple[str, str | bytes]] = ()
    ) -> None:
        with self._news:
            self._headers.append({name.lower(): str(value) for name, value in headers})
            self._spans.extend(read(request.resource_spans))
            self._news.notify_all()


class GrpcReceiver(Receiver):
    """OTLP over gRPC on a free loopback port."""

    protocol = "grpc"

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(max_workers=4)
        self._server = grpc.server(self._pool)
        add_TraceServiceServicer_to_server(_Servicer(self), self._server)  # type: ignore[no-untyped-call]
        add_MetricsServiceServicer_to_server(_MetricsServicer(self), self._server)  # type: ignore[no-untyped-call]
        if self._tls:
            secret = grpc.ssl_server_credentials([(self._tls.key, self._tls.certificate)])
            self.endpoint = f"https://127.0.0.1:{self._server.add_secure_port('127.0.0.1:0', secret)}"
        else:
            self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(grace=None).wait()
        self._pool.shutdown()


class HttpReceiver(Receiver):
    """OTLP over HTTP with protobuf bodies on a free loopback port."""

    protocol = "http/protobuf"

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if self._tls:
            self._server.socket = self._tls.server_context().wrap_socket(
                self._server.socket, server_side=True
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        scheme = "https" if self._tls else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Servicer(TraceServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:  # noqa: N802  # gRPC's name
        self._receiver.receive(request, context.invocation_metadata())
        return ExportTraceServiceResponse()


class _MetricsServicer(MetricsServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, _context: Any) -> ExportMetricsServiceResponse:  # noqa: N802  # gRPC's name
        self._receiver.receive_metrics(request)
        return ExportMetricsServiceResponse()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        match self.path:
            case "/v1/traces":
                self.receiver.receive(ExportTraceServiceRequest.FromString(body), self.headers.items())
            case "/v1/metrics":
                self.receiver.receive_metrics(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200 if self.path in {"/v1/traces", "/v1/metrics"} else 404)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def read(groups: Iterable[ResourceSpans]) -> Iterable[ReceivedSpan]:
    """The spans in OTLP's own shape, which is also what Jaeger's query API answers in."""
    for group in groups:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    kind=span.kind,
                    status=span.status.code,
                    attributes=_attributes(span.attributes),
                    resource=resource,
                    scope=scope.scope.name,
                    began=span.start_time_unix_nano / 1e9,
                    ended=span.end_time_unix_nano / 1e9,
                    events=tuple((event.name, _attributes(event.attributes)) for event in span.events),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    trace_state=span.trace_state,
                )


def _points(request: ExportMetricsServiceRequest) -> Iterable[ReceivedPoint]:
    for group in request.resource_metrics:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data: Any = getattr(metric, kind or "gauge")
                for point in data.data_points:
                    is_histogram = kind == "histogram"
                    yield ReceivedPoint(
                        name=metric.name,
                        unit=metric.unit,
                        value=point.sum if is_histogram else point.as_double or float(point.as_int),
                        count=point.count if is_histogram else 0,
                        bounds=tuple(point.explicit_bounds) if is_histogram else (),
                        buckets=tuple(point.bucket_counts) if is_histogram else (),
                        cumulative=getattr(data, "aggregation_temporality", 0) == _CUMULATIVE,
                        attributes=_attributes(point.attributes),
                        resource=resource,
                        time=point.time_unix_nano,
                    )


def _newest(points: Iterable[ReceivedPoint]) -> tuple[ReceivedPoint, ...]:
    series = {
        (point.name, point.resource["service.instance.id"], *sorted(point.attributes.items())): point
        for point in sorted(points, key=lambda point: point.time)
    }
    return tuple(series.values())


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
