"""The product as `stellarator up` runs it, its traces sent through real collectors, over gRPC."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from ruamel.yaml import YAML

from actors.models.scripted.server import running
from cluster import semconv
from tests import rotel
from tests.bench.stand import Server, product
from tests.integration.panels import ANSWER, panel, rules
from tests.integration.test_panels import eventually
from tests.integration.traces import Trace, check_laws, credited, overlap, trace_of, wait_for_trace
from tests.otlp import HttpReceiver, read
from workflows.loading import dump

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

CALLER_SPAN = "00f067aa0ba902b7"
JAEGER_QUERY_URL = os.environ.get("JAEGER_QUERY_URL", "").rstrip("/")
JAEGER_OTLP_ENDPOINT = os.environ.get("JAEGER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
FAILED = 2


@contextmanager
def reviewing(endpoint: str) -> Iterator[Server]:
    """A panel with a retry, a hedge and a straggler, that sends its spans there."""
    script = [{"match": {"model": "stone"}, "hang": True}, *rules()]
    with running(script) as upstream:
        spec = panel(
            "reviewer",
            upstream.base_url,
            ("swamped", "hanging", "stone"),
            collect={"grace": "1.5s"},
            fallbacks={"hanging": ["fast"]},
            tool={"hedge": {"after": "1s", "max_share": 1.0}},
            deployment="dedicated",
        )
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_BSP_SCHEDULE_DELAY": "500",
        }
        with product([YAML(typ="safe").load(dump(spec))], environment) as server:
            yield server


def ask(server: Server, trace_id: str) -> httpx.Response:
    return httpx.post(
        f"{server.base_url}/chat/completions",
        json={"model": "reviewer", "messages": [{"role": "user", "content": "Review this plan"}]},
        headers={
            "authorization": f"Bearer {server.key}",
            "traceparent": f"00-{trace_id}-{CALLER_SPAN}-01",
        },
        timeout=60,
    )


def check_review(trace: Trace) -> None:
    """The whole tree: a retry, a hedge, and a straggler that was stopped."""
    check_laws(trace, CALLER_SPAN)
    broad, risks, diverse = (trace.attempts(name) for name in ("broad", "risks", "diverse"))
    assert [span.status == FAILED for span in broad][:2] == [True, False]
    assert {span.name: span.attributes.get("stellarator.attempt.hedge") for span in risks} == {
        "chat hanging": None,
        "chat fast": True,
    }
    assert {span.attributes["error.type"] for span in diverse} == {"cancelled"}
    assert overlap(risks)
    panel_span = trace.one("execute_tool")
    assert panel_span.happened(semconv.QUORUM_REACHED)
    assert panel_span.happened(semconv.STRAGGLER_CANCELLED)
    assert trace.above(trace.synthesis()) == panel_span.name
    assert {trace.above(span) for span in (*broad, *risks, *diverse)} == {panel_span.name}


@pytest.mark.skipif(rotel.program() is None, reason="rotel, a real collector, has no wheel for this system")
def test_a_real_collector_gets_the_trace_and_runs_go_on_when_it_dies(tmp_path: Path) -> None:
    with (
        HttpReceiver() as behind,
        rotel.forwarding(behind, tmp_path) as (endpoint, collector),
        reviewing(endpoint) as server,
    ):
        trace_id = secrets.token_hex(16)
        assert answer(ask(server, trace_id)) == ANSWER
        check_review(wait_for_trace(behind, trace_id, credited))

        collector.kill()
        collector.wait()
        without = [ask(server, secrets.token_hex(16)) for _ in range(3)]
        assert [answer(response) for response in without] == [ANSWER] * 3


@pytest.mark.skipif(
    not JAEGER_QUERY_URL,
    reason="JAEGER_QUERY_URL (and JAEGER_OTLP_ENDPOINT, gRPC) do not name a running Jaeger",
)
def test_jaeger_shows_the_trace() -> None:
    trace_id = secrets.token_hex(16)
    with reviewing(JAEGER_OTLP_ENDPOINT) as server:
        assert answer(ask(server, trace_id)) == ANSWER
        trace: Trace = eventually(lambda: complete(trace_in_jaeger(trace_id)), seconds=90)
    check_review(trace)
    services = httpx.get(f"{JAEGER_QUERY_URL}/api/v3/services").json()["services"]
    assert "stellarator" in services


def trace_in_jaeger(trace_id: str) -> Trace:
    """The trace by Jaeger's query API, which answers in OTLP's own shape."""
    response = httpx.get(f"{JAEGER_QUERY_URL}/api/v3/traces/{trace_id}")
    if response.status_code == httpx.codes.NOT_FOUND:
        return Trace(())
    told = json_format.ParseDict(in_base64(response.json()["result"]), TracesData())
    return trace_of(read(told.resource_spans), trace_id)


def in_base64(told: Any) -> Any:
    """OTLP's JSON with the ids as proto3's JSON has bytes."""
    if isinstance(told, list):
        return [in_base64(each) for each in told]
    if not isinstance(told, dict):
        return told
    ids = {"traceId", "spanId", "parentSpanId"}
    return {
        key: b64encode(bytes.fromhex(value)).decode() if key in ids else in_base64(value)
        for key, value in told.items()
    }


def answer(response: httpx.Response) -> str:
    """The answer's text."""
    text: str = response.raise_for_status().json()["choices"][0]["message"]["content"]
    return text


def complete(trace: Trace) -> Trace | None:
    tops = [span for span in trace.spans if not trace.above(span)]
    return trace if len(tops) == 1 and credited(trace) else None
