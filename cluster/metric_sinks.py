"""Where metrics go: to an OTLP collector, and into Ray's own metrics, which Prometheus scrapes on every node.

OTLP is cumulative unless `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` says otherwise; each process is a
resource of its own (`service.instance.id`), so that sums over processes are right. Ray tells processes apart by its
label ``WorkerId``. Ray's agent keeps a histogram's counts exactly and its sum by the middle of each bucket: take
quantiles from it, and averages from OTLP.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from cluster.instruments import INSTRUMENTS, Instrument, label
from cluster.resource import resource
from cluster.settings import TelemetrySettings
from cluster.undelivered import OneWarning

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
    from ray.util.metrics import Counter, Gauge, Histogram

Attributes: TypeAlias = Mapping[str, str]

EXPORT_TIMEOUT_S = 3.0

_log = logging.getLogger(__name__)


class OtlpSink:
    """The OpenTelemetry SDK with one periodic exporter. Not the global provider, for the reasons of `telemetry`."""

    def __init__(self, role: str, settings: TelemetrySettings) -> None:
        self._provider = _provider(role, settings)
        meter = self._provider.get_meter("stellarator")
        self._instruments: dict[Instrument, Any] = {each: _created(meter, each) for each in INSTRUMENTS}

    def record(self, instrument: Instrument, value: float, attributes: Attributes) -> None:
        """Take one value."""
        made = self._instruments[instrument]
        match instrument.kind:
            case "counter":
                made.add(value, attributes)
            case "histogram":
                made.record(value, attributes)
            case "gauge":
                made.set(value, attributes)

    def flush(self) -> None:
        """Send what is there."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what is there and stop."""
        self._provider.shutdown()


class RaySink:
    """Ray's metrics. Every label of a metric has to have a value there; an unknown one is empty."""

    def __init__(self) -> None:
        self._instruments = {each: _ray_metric(each) for each in INSTRUMENTS}

    def record(self, instrument: Instrument, value: float, attributes: Attributes) -> None:
        """Take one value."""
        made = self._instruments[instrument]
        labels = {label(name): attributes.get(name, "") for name in instrument.attributes}
        match instrument.kind:
            case "counter":
                if value > 0:  # Ray refuses 0
                    cast("Counter", made).inc(value, labels)
            case "histogram":
                cast("Histogram", made).observe(value, labels)
            case "gauge":
                cast("Gauge", made).set(value, labels)

    def flush(self) -> None:
        """Ray sends by itself."""

    def close(self) -> None:
        """The same."""


def _created(meter: Any, instrument: Instrument) -> object:
    name, unit, doc = instrument.name, instrument.unit, instrument.doc
    match instrument.kind:
        case "counter":
            return meter.create_counter(name, unit, doc)
        case "histogram":
            return meter.create_histogram(
                name, unit, doc, explicit_bucket_boundaries_advisory=instrument.buckets
            )
        case "gauge":
            return meter.create_gauge(name, unit, doc)


def _ray_metric(instrument: Instrument) -> Counter | Histogram | Gauge:
    from ray.util import metrics  # noqa: PLC0415  # Ray reads its environment while it is imported

    name, doc, labels = instrument.prometheus, instrument.doc, instrument.labels
    match instrument.kind:
        case "counter":
            return metrics.Counter(name, doc, labels)
        case "histogram":
            return metrics.Histogram(name, doc, list(instrument.buckets), labels)
        case "gauge":
            return metrics.Gauge(name, doc, labels)


def _provider(role: str, settings: TelemetrySettings) -> MeterProvider:
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  # only exporting processes pay for it
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415  # the same

    reader = PeriodicExportingMetricReader(_one_warning(_exporter(settings)))
    return MeterProvider([reader], resource(role, settings), shutdown_on_exit=False)


def _exporter(settings: TelemetrySettings) -> MetricExporter:
    timeout = None if settings.timeout_given else EXPORT_TIMEOUT_S
    if settings.metrics_protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415  # 0.2 s
            OTLPMetricExporter as GrpcExporter,
        )

        return GrpcExporter(timeout=timeout)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415  # 0.2 s
        OTLPMetricExporter as HttpExporter,
    )

    return HttpExporter(timeout=timeout)


def _one_warning(inner: MetricExporter) -> MetricExporter:
    """`inner`, saying once that the collector does not answer instead of with every interval."""
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult  # noqa: PLC0415  # see _provider

    warning = OneWarning(
        _log,
        "Metrics cannot be delivered; runs go on, and the totals come once they can be. "
        "Check OTEL_EXPORTER_OTLP_ENDPOINT, or set OTEL_METRICS_EXPORTER=none.",
    )

    class WarningExporter(MetricExporter):
        def __init__(self) -> None:
            super().__init__(inner._preferred_temporality, inner._preferred_aggregation)  # noqa: SLF001  # the reader asks for them

        def export(
            self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
        ) -> MetricExportResult:
            result = inner.export(metrics_data, timeout_millis, **kwargs)
            if result is not MetricExportResult.SUCCESS:
                warning.say()
            return result

        def force_flush(self, timeout_millis: float = 10_000) -> bool:
            return inner.force_flush(timeout_millis)

        def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
            inner.shutdown(timeout_millis, **kwargs)

    return WarningExporter()
