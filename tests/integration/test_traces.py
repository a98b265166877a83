"""One trace for each run, across all processes, over real OTLP."""

from __future__ import annotations

import secrets

import pytest

from tests.conftest import Product
from tests.otlp import ReceivedSpan

pytestmark = pytest.mark.ray

CALLER_SPAN = "00f067aa0ba902b7"


def trace_of_a_run(product: Product) -> list[ReceivedSpan]:
    """The spans of one run of `slow-three`, called by somebody who traces, too."""
    trace_id = secrets.token_hex(16)
    body = {"model": "slow-three", "messages": [{"role": "user", "content": "Review this plan"}]}
    with product.http() as http:
        response = http.post(
            "/v1/chat/completions", json=body, headers={"traceparent": f"00-{trace_id}-{CALLER_SPAN}-01"}
        )
    response.raise_for_status()

    def mine(spans: tuple[ReceivedSpan, ...]) -> list[ReceivedSpan]:
        return [span for span in spans if span.trace_id == trace_id]

    def whole(spans: tuple[ReceivedSpan, ...]) -> bool:
        return any(span.name.startswith("POST") for span in mine(spans)) and len(mine(spans)) >= 9

    return mine(product.collector.wait_for(whole))


def test_one_trace_spans_gateway_replica_coordinator_branches_and_synthesis(product: Product) -> None:
    spans = trace_of_a_run(product)
    by_id = {span.span_id: span for span in spans}

    def above(span: ReceivedSpan) -> str:
        return by_id[span.parent_id].name if span.parent_id in by_id else ""

    tree = sorted((span.name, above(span)) for span in spans)
    assert tree == sorted(
        [
            ("POST /v1/chat/completions", ""),
            ("invoke_workflow slow-three", "POST /v1/chat/completions"),
            ("chat main", "invoke_workflow slow-three"),
            ("chat main", "invoke_workflow slow-three"),
            ("execute_tool problem_review", "invoke_workflow slow-three"),
            *[("chat slow", "execute_tool problem_review")] * 3,
            ("chat judge", "execute_tool problem_review"),
        ]
    )
    root = next(span for span in spans if span.name.startswith("POST"))
    assert root.parent_id == CALLER_SPAN


def test_spans_tell_tokens_and_carry_no_prompt(product: Product) -> None:
    spans = trace_of_a_run(product)
    branch = next(span for span in spans if span.name == "chat slow")
    assert branch.attributes["gen_ai.usage.output_tokens"] == 5
    assert "Review this plan" not in str([span.attributes for span in spans])
