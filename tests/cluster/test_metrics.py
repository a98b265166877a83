"""Values reach a real collector from several processes; without one they cost nothing."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cluster import metrics
from cluster.instruments import CALLS_ACTIVE, CLIENT_DURATION, INSTRUMENTS, RETRIES
from cluster.settings import TelemetrySettings, environment
from tests.otlp import GrpcReceiver, HttpReceiver, ReceivedPoint, Receiver

LABELS = {"virtual_model": "council", "model": "m", "error.type": "upstream_busy"}
CHILD = """
from cluster import metrics
from cluster.instruments import RETRIES
metrics.setup("child")
metrics.record(RETRIES, 3, {"virtual_model": "council", "model": "m", "error.type": "upstream_busy"})
"""


@pytest.fixture(autouse=True)
def nothing_is_left_set_up() -> Iterator[None]:
    with environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_METRIC_EXPORT_INTERVAL": "60000"}):
        yield
    metrics.shutdown()


@pytest.fixture(params=[GrpcReceiver, HttpReceiver], ids=["grpc", "http"])
def collector(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    with request.param() as receiver, environment(receiver.environment):
        yield receiver


def of(points: tuple[ReceivedPoint, ...], name: str) -> list[ReceivedPoint]:
    return [point for point in points if point.name == name]


def test_counters_of_several_processes_add_up_and_stay_cumulative(collector: Receiver) -> None:
    metrics.setup("parent")
    metrics.setup("parent")
    metrics.record(RETRIES, 1, LABELS)
    metrics.flush()
    metrics.record(RETRIES, 1, LABELS)
    subprocess.run(
        [sys.executable, "-c", CHILD], check=True, timeout=60
    )  # it ends at once, and still delivers
    metrics.flush()
    ours = of(collector.points, "stellarator.retries")
    assert sorted(point.value for point in ours) == [2.0, 3.0]
    assert all(point.cumulative and point.attributes == LABELS for point in ours)
    assert {point.resource["stellarator.role"] for point in ours} == {"parent", "child"}
    assert len({point.resource["service.instance.id"] for point in ours}) == 2


def test_a_histogram_has_the_conventions_buckets(collector: Receiver) -> None:
    metrics.setup("lane")
    metrics.record(CLIENT_DURATION, 0.3, {"gen_ai.operation.name": "chat"})
    metrics.flush()
    (point,) = of(collector.points, "gen_ai.client.operation.duration")
    assert point.bounds[:3] == (0.01, 0.02, 0.04)
    assert point.bounds[-1] == 81.92
    assert (point.count, point.unit) == (1, "s")
    assert point.value == pytest.approx(0.3)
    assert point.buckets[point.bounds.index(0.32)] == 1


def test_a_gauge_that_is_watched_is_read_when_it_is_due(collector: Receiver) -> None:
    flights = ["a", "b"]
    metrics.setup("lane")
    metrics.watch(CALLS_ACTIVE, lambda: len(flights), {})
    metrics.read_gauges()
    flights.pop()
    metrics.read_gauges()
    metrics.flush()
    (point,) = of(collector.points, "stellarator.calls.active")
    assert point.value == 1.0
    assert point.attributes["process"].isdecimal()


def test_metrics_can_be_switched_off_beside_traces(collector: Receiver) -> None:
    with environment({"OTEL_METRICS_EXPORTER": "none"}):
        settings = TelemetrySettings.from_env()
        metrics.setup("lane")
        metrics.record(RETRIES, 1, LABELS)
        metrics.flush()
    assert (settings.enabled, settings.metrics) == (True, False)
    assert collector.points == ()


def test_without_an_endpoint_nothing_is_imported_and_nothing_happens() -> None:
    code = (
        "import sys; from cluster import metrics; from cluster.instruments import RETRIES\n"
        "metrics.setup('x'); metrics.record(RETRIES, 1, {}); metrics.watch(RETRIES, lambda: 1, {})\n"
        "assert metrics.flush()\n"
        "assert not any(name.startswith('opentelemetry.sdk') or name == 'ray' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_is_down_costs_one_warning_and_no_waiting(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        down = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taken.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2",
        }
        with environment(down), caplog.at_level(logging.DEBUG, logger="cluster"):
            metrics.setup("gateway")
            for _ in range(3):
                metrics.record(RETRIES, 1, LABELS)
                metrics.flush(timeout=5)
            metrics.shutdown()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, [record.getMessage() for record in warnings]
    assert "OTEL_METRICS_EXPORTER=none" in warnings[0].getMessage()


def test_names_and_buckets_suit_both_worlds() -> None:
    assert len({each.name for each in INSTRUMENTS}) == len({each.prometheus for each in INSTRUMENTS})
    for each in INSTRUMENTS:
        assert each.prometheus.replace("_", "").isalnum()
        assert not each.prometheus.endswith(("_total", "_bucket", "_count", "_sum")), each.name
        assert bool(each.buckets) == (each.kind == "histogram")
        assert list(each.buckets) == sorted(set(each.buckets))
        assert all(bound > 0 for bound in each.buckets)
        assert not {"run_id", "run.id", "step_id", "user"} & set(each.attributes)
