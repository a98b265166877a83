"""Spans arrive at a real collector, in one trace across processes; without one they cost nothing."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from cluster import semconv, telemetry
from cluster.settings import TelemetrySettings, environment
from tests.otlp import GrpcReceiver, HttpReceiver, Receiver

CHILD = """
import sys
from cluster import telemetry
telemetry.setup("child")
telemetry.setup("child")
with telemetry.tracer().start_as_current_span("child work", telemetry.continue_from(sys.argv[1])):
    print(telemetry.carrier())
"""


@pytest.fixture(autouse=True)
def nothing_is_left_set_up() -> Iterator[None]:
    with environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ""}):
        yield
    telemetry.shutdown()


@pytest.fixture(params=[GrpcReceiver, HttpReceiver], ids=["grpc", "http"])
def collector(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    with request.param() as receiver, environment(receiver.environment):
        yield receiver


def run_child(traceparent: str) -> str:
    """A process that makes one span and exits at once; returns its own traceparent."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, traceparent],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert child.stderr == ""
    return child.stdout.strip()


def test_a_trace_spans_two_processes_and_a_short_one_still_delivers(collector: Receiver) -> None:
    telemetry.setup("parent")
    with telemetry.tracer().start_as_current_span("parent work") as span:
        run_child(telemetry.carrier())
    telemetry.flush()
    spans = {s.name: s for s in collector.wait_for(lambda spans: len(spans) == 2)}
    parent, child = spans["parent work"], spans["child work"]
    assert child.trace_id == parent.trace_id == f"{span.get_span_context().trace_id:032x}"
    assert child.parent_id == parent.span_id
    assert child.resource["stellarator.role"] == "child"
    assert child.resource["service.name"] == parent.resource["service.name"] == "stellarator"
    assert child.resource["service.instance.id"] != parent.resource["service.instance.id"]


def test_spans_leave_without_being_flushed(collector: Receiver) -> None:
    telemetry.setup("lane")
    with telemetry.tracer().start_as_current_span("work"):
        pass
    collector.wait_for(lambda spans: len(spans) == 1)


def test_attributes_and_kind_arrive(collector: Receiver) -> None:
    telemetry.setup("lane")
    attributes = semconv.chat_request("gemini/gemini-3-flash", temperature=0.4, stop=("END",), stream=True)
    name = semconv.chat_span("gemini/gemini-3-flash")
    with telemetry.tracer().start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
        span.set_attributes(semconv.chat_response(finish_reason="stop", first_chunk_seconds=0.5))
        span.set_attributes(semconv.usage(input_tokens=3, output_tokens=5))
    (received,) = collector.wait_for(bool)
    assert received.name == "chat gemini/gemini-3-flash"
    assert received.kind == 3  # CLIENT on the wire
    assert received.attributes["gen_ai.provider.name"] == "gcp.gemini"
    assert received.attributes["gen_ai.request.stop_sequences"] == ["END"]
    assert received.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert received.attributes["gen_ai.usage.output_tokens"] == 5


def test_the_global_provider_is_left_alone(collector: Receiver) -> None:
    telemetry.setup("gateway")
    with trace.get_tracer("fastapi").start_as_current_span("GET /x"):
        pass
    with telemetry.tracer().start_as_current_span("ours"):
        pass
    telemetry.flush()
    assert [span.name for span in collector.wait_for(bool)] == ["ours"]


def test_setting_up_twice_exports_once(collector: Receiver) -> None:
    telemetry.setup("gateway")
    telemetry.setup("gateway")
    with telemetry.tracer().start_as_current_span("once"):
        pass
    telemetry.flush()
    assert len(collector.wait_for(bool)) == 1


def test_without_an_endpoint_nothing_is_loaded_and_nothing_recorded() -> None:
    script = (
        "import sys; from cluster import telemetry; telemetry.setup('x')\n"
        "with telemetry.tracer().start_as_current_span('s') as span:\n"
        "    assert not span.is_recording() and telemetry.carrier() == '' == telemetry.trace_id_of()\n"
        "assert telemetry.flush()\n"
        "assert 'opentelemetry.sdk' not in sys.modules, 'the SDK was loaded for nothing'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_disabled_sdk_exports_nothing() -> None:
    telemetry.setup("x", TelemetrySettings.from_env({"OTEL_SDK_DISABLED": "true"}))
    assert isinstance(telemetry.tracer(), trace.NoOpTracer)


def test_a_clients_trace_is_passed_on_even_when_nothing_is_exported() -> None:
    theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with telemetry.tracer().start_as_current_span("s", telemetry.continue_from(theirs)):
        assert telemetry.carrier() == theirs


@pytest.mark.parametrize("bad", ["", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01"])
def test_a_traceparent_that_means_nothing_starts_a_new_trace(bad: str) -> None:
    with telemetry.tracer().start_as_current_span("s", telemetry.continue_from(bad)):
        assert telemetry.carrier() == ""


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_is_down_costs_one_warning_and_no_waiting(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    for thread in threading.enumerate():  # an exporter of an earlier test may still be about to give up
        if thread.name.startswith("OtelBatch"):
            thread.join(30)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        down = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taken.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2",
        }
        with environment(down), caplog.at_level(logging.DEBUG, logger="cluster"):
            telemetry.setup("gateway")
            for batch in range(3):
                for _ in range(5000):  # more than the queue holds
                    with telemetry.tracer().start_as_current_span(f"s{batch}"):
                        pass
                telemetry.flush(timeout=5)
            telemetry.shutdown()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, [record.getMessage() for record in warnings]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in warnings[0].getMessage()


@pytest.mark.usefixtures("collector")
def test_content_is_captured_only_when_tracing_and_asked_for() -> None:
    asked = {**os.environ, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
    assert not telemetry.captures_content()
    telemetry.setup("x", TelemetrySettings.from_env(asked))
    assert telemetry.captures_content()
