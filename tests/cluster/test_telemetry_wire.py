"""What travels: W3C contexts, span identities, headers, TLS; and collectors that do not answer."""

from __future__ import annotations

import socket
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import telemetry
from cluster.settings import environment
from tests import certificate, rotel
from tests.certificate import Certificate
from tests.otlp import GrpcReceiver, HttpReceiver, Receiver

THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUEUE = 2048


@pytest.fixture(autouse=True)
def nothing_is_left_set_up() -> Iterator[None]:
    with environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ""}):
        yield
    telemetry.shutdown()


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with HttpReceiver() as receiver, environment(receiver.environment):
        telemetry.setup("x")
        yield receiver


@pytest.fixture
def tls(tmp_path: Path) -> Certificate:
    return certificate.made(tmp_path)


@pytest.mark.parametrize("kind", [GrpcReceiver, HttpReceiver], ids=["grpc", "http"])
def test_spans_go_over_tls_with_the_headers_of_the_environment(
    kind: type[GrpcReceiver | HttpReceiver], tls: Certificate
) -> None:
    trusted = {
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(tls.certificate_file),
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abc,x-tenant=review",
        # Over HTTP these would win over the certificate: a known trait of requests, which the exporter uses.
        "REQUESTS_CA_BUNDLE": "",
        "CURL_CA_BUNDLE": "",
    }
    with kind(tls) as receiver, environment(receiver.environment | trusted):
        telemetry.setup("x")
        telemetry.start("work", "").end()
        (span,) = receiver.wait_for(bool)
        (headers,) = receiver.headers
        telemetry.shutdown()
    assert span.name == "work"
    assert (headers["authorization"], headers["x-tenant"]) == ("Bearer abc", "review")


@pytest.mark.parametrize("kind", [GrpcReceiver, HttpReceiver], ids=["grpc", "http"])
def test_a_collector_whose_certificate_nobody_trusts_gets_nothing(
    kind: type[GrpcReceiver | HttpReceiver], tls: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    with kind(tls) as receiver, environment(receiver.environment | {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"}):
        telemetry.setup("x")
        telemetry.start("work", "").end()
        telemetry.flush(timeout=10)
        telemetry.shutdown()
        assert receiver.spans == ()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caplog.text


@pytest.mark.skipif(rotel.program() is None, reason="rotel, a real collector, has no wheel for this system")
def test_a_real_collector_understands_what_we_send(tmp_path: Path) -> None:
    with HttpReceiver() as behind, rotel.forwarding(behind, tmp_path) as (endpoint, _):
        ours = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        with environment(ours):
            telemetry.setup("x")
            telemetry.start("work", f"{THEIRS} vendor=abc", attributes={"gen_ai.request.model": "m"}).end()
            (span,) = behind.wait_for(bool)
    assert (span.name, span.trace_state, span.attributes["gen_ai.request.model"]) == (
        "work",
        "vendor=abc",
        "m",
    )
    assert span.resource["stellarator.role"] == "x"


def test_a_tracestate_travels_with_its_traceparent(collector: Receiver) -> None:
    here = telemetry.start("here", f"{THEIRS} vendor=abc,other=1")
    there = telemetry.start("there", telemetry.carrier(here))
    there.end()
    here.end()
    spans = {span.name: span for span in collector.wait_for(lambda spans: len(spans) == 2)}
    assert {span.trace_state for span in spans.values()} == {"vendor=abc,other=1"}
    assert spans["there"].parent_id == spans["here"].span_id
    assert spans["here"].parent_id == "b7ad6b7169203331"


@pytest.mark.usefixtures("collector")
def test_the_same_identity_is_the_same_span_and_no_other() -> None:
    one, again, other = (telemetry.start("s", THEIRS, identity=name) for name in ("a", "a", "b"))
    by_chance = telemetry.start("s", THEIRS), telemetry.start("s", THEIRS)
    assert telemetry.carrier(one) == telemetry.carrier(again)
    assert len({telemetry.carrier(span) for span in (one, other, *by_chance)}) == 4


def test_a_link_leads_to_the_span_of_that_identity_in_another_trace(collector: Receiver) -> None:
    first = telemetry.start("first", "", identity="run_1/")
    link = telemetry.link(telemetry.trace_id_of(first), "run_1/")
    assert link is not None
    telemetry.start("second", "", identity="run_1/", links=[link]).end()
    first.end()
    spans = {span.name: span for span in collector.wait_for(lambda spans: len(spans) == 2)}
    assert spans["second"].links == ((spans["first"].trace_id, spans["first"].span_id),)
    assert spans["second"].trace_id != spans["first"].trace_id


@pytest.mark.parametrize("unknown", ["", "no trace", "0" * 32])
def test_there_is_no_link_to_a_trace_that_never_was(unknown: str) -> None:
    assert telemetry.link(unknown, "run_1/") is None


def test_what_a_client_does_not_sample_is_not_sampled_here(collector: Receiver) -> None:
    unsampled = telemetry.start("unsampled", THEIRS.removesuffix("01") + "00")
    below = telemetry.start("below", telemetry.carrier(unsampled))
    telemetry.start("sampled", THEIRS).end()
    below.end()
    unsampled.end()
    telemetry.flush()
    assert [span.name for span in collector.wait_for(bool)] == ["sampled"]


def test_the_standard_variables_choose_the_sampler() -> None:
    with (
        HttpReceiver() as receiver,
        environment(receiver.environment | {"OTEL_TRACES_SAMPLER": "always_off"}),
    ):
        telemetry.setup("x")
        assert not telemetry.start("work", THEIRS).is_recording()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_hangs_costs_neither_time_nor_memory(protocol: str) -> None:
    """It takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        with environment(hanging):
            telemetry.setup("x")
            tracemalloc.start()
            try:
                spend(2 * QUEUE)
                before = tracemalloc.get_traced_memory()[0]
                spend(4 * QUEUE)
                grown = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            began = time.monotonic()
            telemetry.shutdown()
            ended = time.monotonic() - began
    assert grown < before / 2, "the queue has no bound"
    assert ended < 2 * telemetry.EXIT_TIMEOUT_S


def spend(number: int) -> None:
    """Make that many spans."""
    for _ in range(number):
        telemetry.start("work", "", attributes={"stellarator.run.id": "run_1"}).end()
