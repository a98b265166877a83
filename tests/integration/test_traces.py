"""One trace for each run, across all processes, over real OTLP."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from cluster import semconv
from tests.conftest import Product
from tests.integration.test_faults import lane_at_work, processes
from tests.integration.test_panels import eventually
from tests.integration.traces import Trace, check_laws, credited, overlap, trace_of, wait_for_trace

pytestmark = pytest.mark.ray

CALLER_SPAN = "00f067aa0ba902b7"
CLIENT, SERVER, INTERNAL = 3, 2, 1
FAILED = 2


def ask(product: Product, model: str, trace_id: str, **headers: str) -> httpx.Response:
    """Call a virtual model as somebody who traces, too."""
    body = {"model": model, "messages": [{"role": "user", "content": "Review this plan"}]}
    parent = {"traceparent": f"00-{trace_id}-{CALLER_SPAN}-01"}
    with product.http() as http:
        return http.post("/v1/chat/completions", json=body, headers=parent | headers)


def trace_of_a_run(
    product: Product, model: str, complete: Callable[[Trace], bool] = credited, **headers: str
) -> Trace:
    trace_id = secrets.token_hex(16)
    ask(product, model, trace_id, **headers).raise_for_status()
    return wait_for_trace(product.collector, trace_id, complete)


def test_one_trace_spans_gateway_replica_coordinator_branches_and_synthesis(product: Product) -> None:
    trace = trace_of_a_run(product, "slow-three")
    check_laws(trace, CALLER_SPAN)
    assert trace.tree() == sorted(
        [
            ("POST /v1/chat/completions", ""),
            ("invoke_workflow slow-three", "POST /v1/chat/completions"),
            ("chat main", "invoke_workflow slow-three"),
            ("chat main", "invoke_workflow slow-three"),
            ("execute_tool problem_review", "invoke_workflow slow-three"),
            *[("chat slow", "execute_tool problem_review")] * 3,
            ("chat judge", "execute_tool problem_review"),
            ("credit problem_review.1", "invoke_workflow slow-three"),
        ]
    )
    assert trace.one("POST").parent_id == CALLER_SPAN
    branches = [trace.attempts(name) for name in ("broad", "risks", "diverse")]
    assert [len(attempts) for attempts in branches] == [1, 1, 1]
    assert overlap(trace.named("chat slow"))
    assert trace.synthesis().name == "chat judge"
    assert {span.kind for span in trace.named("chat ")} == {CLIENT}
    assert len({span.resource["process.pid"] for span in trace.spans}) >= 4


# How the SDK of 2.54 connects is deprecated by websockets 17.
@pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")
def test_every_run_of_a_connection_has_a_span_of_its_own_in_the_clients_trace(product: Product) -> None:
    trace_id = secrets.token_hex(16)
    parent = {"traceparent": f"00-{trace_id}-{CALLER_SPAN}-01"}
    with product.openai() as client, client.responses.connect(extra_headers=parent) as connection:
        for _ in range(2):
            connection.response.create(model="plain", input="Hello", store=False)
            assert any(event.type == "response.completed" for event in connection)
    spans = product.collector.wait_for(lambda told: len(trace_of(told, trace_id).spans) == 6)
    assert trace_of(spans, trace_id).tree() == [
        ("GET /v1/responses", ""),
        ("GET /v1/responses", ""),
        ("chat main", "invoke_workflow plain"),
        ("chat main", "invoke_workflow plain"),
        ("invoke_workflow plain", "GET /v1/responses"),
        ("invoke_workflow plain", "GET /v1/responses"),
    ]


def test_spans_tell_figures_and_carry_no_prompt(product: Product) -> None:
    trace = trace_of_a_run(product, "slow-three")
    branch = trace.named("chat slow")[0].attributes
    assert branch["gen_ai.usage.output_tokens"] == 5
    assert branch["gen_ai.response.time_to_first_chunk"] > 0
    assert branch["stellarator.queued.seconds"] >= 0
    assert branch["gen_ai.workflow.name"] == "slow-three"
    assert branch["stellarator.branch"] == branch["gen_ai.agent.name"]
    assert branch["stellarator.run.id"] == trace.run.attributes["stellarator.run.id"]
    assert trace.run.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert trace.one("POST").attributes["http.response.status_code"] == 200
    shares = [name for name in trace.one("credit").attributes if name.endswith(".answer")]
    assert len(shares) == 3
    (reached,) = trace.one("execute_tool").happened(semconv.QUORUM_REACHED)
    assert reached["stellarator.branch"] in ("broad", "risks", "diverse")
    assert "Review" not in str([(span.attributes, span.events) for span in trace.spans])


def test_a_clients_tracestate_goes_on_and_its_baggage_does_not(product: Product) -> None:
    trace = trace_of_a_run(product, "slow-three", tracestate="vendor=abc", baggage="secret=42")
    assert {span.trace_state for span in trace.spans} == {"vendor=abc"}
    assert "secret" not in str(trace)


def test_the_response_and_the_run_name_the_trace(product: Product) -> None:
    trace_id = secrets.token_hex(16)
    response = ask(product, "plain", trace_id)
    assert response.headers["x-stellarator-trace-id"] == trace_id
    assert response.headers["x-stellarator-trace-url"] == f"http://jaeger.test/trace/{trace_id}"
    with product.http() as http:
        shown = http.get(f"/api/runs/{response.headers['x-stellarator-run-id']}").json()
        listed = http.get("/api/runs", params={"virtual_model": "plain", "limit": 1}).json()["runs"][0]
    for told in (shown, listed):
        assert (told["trace_id"], told["trace_url"]) == (trace_id, f"http://jaeger.test/trace/{trace_id}")


def test_a_retry_is_a_span_beside_the_failed_attempt(product: Product) -> None:
    trace = trace_of_a_run(product, "first-swamped")
    check_laws(trace, CALLER_SPAN)
    failed, answered = trace.attempts("broad")
    assert (failed.status, failed.attributes["error.type"]) == (FAILED, "upstream_busy")
    assert answered.status != FAILED
    assert [s.attributes["stellarator.attempt.number"] for s in (failed, answered)] == [1, 2]
    assert not trace.one("execute_tool").happened(semconv.CALL_FAILED)


def test_a_fallback_is_a_span_of_its_own_model(product: Product) -> None:
    trace = trace_of_a_run(product, "refused-first")
    check_laws(trace, CALLER_SPAN)
    assert [span.name for span in trace.attempts("broad")] == ["chat refused", "chat fast"]


def test_a_hedge_is_a_span_beside_the_slow_copy_that_is_stopped(product: Product) -> None:
    trace = trace_of_a_run(product, "hedged")
    check_laws(trace, CALLER_SPAN)
    slow, hedge = sorted(
        trace.attempts("broad"), key=lambda span: "stellarator.attempt.hedge" in span.attributes
    )
    assert slow.happened(semconv.CANCELLED) == [{"stellarator.reason": "hedged"}]
    assert hedge.attributes["stellarator.attempt.hedge"] is True
    assert overlap([slow, hedge])


def test_a_stopped_straggler_is_an_event_of_the_panel_and_the_panel_is_degraded(product: Product) -> None:
    trace = trace_of_a_run(product, "one-hanging")
    check_laws(trace, CALLER_SPAN)
    panel = trace.one("execute_tool")
    told = {"stellarator.branch": "diverse", "stellarator.reason": "straggler", "stellarator.attempts": 1}
    assert panel.happened(semconv.STRAGGLER_CANCELLED) == [told]
    (degraded,) = panel.happened(semconv.PANEL_DEGRADED)
    assert degraded["stellarator.missing"] == ["diverse: straggler"]
    (stopped,) = trace.attempts("diverse")
    assert stopped.attributes["error.type"] == "cancelled"


def test_a_branch_in_a_process_of_its_own_is_in_the_same_trace(product: Product) -> None:
    trace = trace_of_a_run(product, "own-process")
    check_laws(trace, CALLER_SPAN)
    roles = {span.resource["stellarator.role"] for span in trace.named("chat fast")}
    assert roles == {"branch"}


def test_an_attempt_whose_process_was_killed_is_in_the_trace_all_the_same(product: Product) -> None:
    trace_id = secrets.token_hex(16)
    with ThreadPoolExecutor(1) as pool:
        asked = in_the_middle(product, pool, "thoughtful-three", "thoughtful", trace_id)
        lane_at_work(product, "thoughtful").send_signal(signal.SIGKILL)
        asked.result(120).raise_for_status()
    trace = wait_for_trace(product.collector, trace_id, credited)
    check_laws(trace, CALLER_SPAN)
    lost = [span for span in trace.named("chat thoughtful") if span.status == FAILED]
    assert lost
    assert {span.attributes["error.type"] for span in lost} == {"lane_lost"}
    assert {span.resource["stellarator.role"] for span in lost} == {"coordinator"}


def test_a_killed_coordinator_leaves_no_orphan(product: Product) -> None:
    trace_id = secrets.token_hex(16)
    with ThreadPoolExecutor(1) as pool:
        asked = in_the_middle(product, pool, "thoughtful-three", "thoughtful", trace_id)
        (coordinator,) = processes(product, "Coordinator")
        coordinator.send_signal(signal.SIGKILL)
        asked.result(120).raise_for_status()
    trace = wait_for_trace(product.collector, trace_id, credited)
    assert [span.name for span in trace.spans if not trace.above(span)] == ["POST /v1/chat/completions"]
    for branch in ("broad", "risks", "diverse"):
        assert trace.attempts(branch)[-1].attributes["gen_ai.response.finish_reasons"] == ["stop"]


def test_a_client_that_goes_away_leaves_a_whole_trace_that_says_so(product: Product) -> None:
    trace_id = secrets.token_hex(16)
    already = len(product.upstream.seen)
    body = {"model": "all-hanging", "messages": [{"role": "user", "content": "Review this plan"}]}
    headers = {"traceparent": f"00-{trace_id}-{CALLER_SPAN}-01"}
    with (
        product.http() as http,
        http.stream("POST", "/v1/chat/completions", json={**body, "stream": True}, headers=headers),
    ):
        eventually(lambda: sum(s.model == "hanging" for s in product.upstream.seen[already:]) == 3)
    trace = wait_for_trace(
        product.collector,
        trace_id,
        lambda trace: len(trace.named("chat hanging")) == 3 and bool(trace.named("execute_tool")),
    )
    check_laws(trace, CALLER_SPAN)
    assert trace.run.happened(semconv.CANCELLED) == [{"stellarator.reason": "client"}]
    assert {span.attributes["error.type"] for span in trace.named("chat hanging")} == {"cancelled"}
    assert FAILED not in {span.status for span in trace.spans}


def in_the_middle(product: Product, pool: ThreadPoolExecutor, model: str, branch: str, trace_id: str) -> Any:
    """Ask, and return when all branches are under way at the upstream."""
    already = len(product.upstream.seen)
    asked = pool.submit(ask, product, model, trace_id)
    eventually(lambda: sum(s.model == branch for s in product.upstream.seen[already:]) == 3)
    return asked
