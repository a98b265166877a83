"""What the span of a panel tells of its calls, also of those that no attempt was made for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from actors.orders import CallOrder, PanelOrder
from actors.panel_trace import PanelTrace
from cluster import semconv, telemetry
from cluster.settings import environment
from tests.otlp import HttpReceiver, ReceivedSpan
from tests.workflows.flows import completion
from workflows.errors import Failure, LaneLost
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome, ToolOutcome, ToolUse, Tried
from workflows.messages import ChatRequest, Text, ToolCall, ToolResult
from workflows.policy import Collect
from workflows.spec import WorkflowSpec

SPEC = WorkflowSpec.model_validate(
    {
        "version": 1,
        "name": "plain",
        "models": {"gpt": {"model": "gpt-5.5", "base_url": "https://llm.test/v1"}},
        "main": {"model": "gpt"},
    }
)
USE = ToolUse("review.1", "main", "review", ToolCall("call_1", "review", "{}"), ChatRequest(()))
ORDER = PanelOrder("run_1", USE, SPEC, 1, f"00-{'a' * 32}-{'b' * 16}-01")
DONE = ToolOutcome(ToolResult("call_1", (Text("Fine."),)), "ran", detail={"asked": (), "left_out": {}})


class Silent:
    """An attempt whose process is lost."""

    async def result(self) -> Outcome:
        raise LaneLost("the lane is gone")

    def stop(self, reason: str) -> None:
        """Nobody is there."""

    def cancel(self) -> None:
        """Nobody is there."""


@pytest.fixture
def collector() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver, environment(receiver.environment):
        telemetry.setup("x")
        yield receiver
        telemetry.shutdown()


def call(name: str, kind: Any = "branch") -> Call:
    return Call(f"review.1/{name}", "review.1", kind, name, "gpt", ChatRequest(()))


def told(collector: HttpReceiver, spans: int = 1) -> ReceivedSpan:
    """The span of the tool, when so many spans have come."""
    came = collector.wait_for(lambda came: len(came) == spans)
    return next(span for span in came if span.name == "execute_tool review")


def ended(trace: PanelTrace, which: Call, outcome: Outcome) -> None:
    trace.begins(which)
    trace.ends(which, outcome)


def test_a_call_that_failed_or_was_stopped_before_its_first_attempt_is_an_event(
    collector: HttpReceiver,
) -> None:
    trace = PanelTrace(ORDER)
    tried = (Tried("gpt", "upstream_busy"),)
    ended(
        trace, call("broad"), Failed("review.1/broad", Failure("upstream_timeout", "late"), 1.0, tried=tried)
    )
    ended(trace, call("risks"), Cancelled("review.1/risks", "straggler", 1.0))
    ended(trace, call("synthesis", "synthesis"), Failed("s", Failure("cluster_error", "no lane"), 1.0))
    trace.finished(DONE)
    span = told(collector)
    assert span.happened(semconv.CALL_FAILED) == [
        {"stellarator.branch": "broad", "stellarator.attempts": 2, "error.type": "upstream_timeout"},
        {"stellarator.step.name": "synthesis", "stellarator.attempts": 1, "error.type": "cluster_error"},
    ]
    (stopped,) = span.happened(semconv.STRAGGLER_CANCELLED)
    assert (stopped["stellarator.branch"], stopped["stellarator.reason"]) == ("risks", "straggler")
    assert span.attributes["stellarator.panel.attempts"] == 0


def test_the_branch_that_made_the_quorum_is_named(collector: HttpReceiver) -> None:
    trace = PanelTrace(ORDER)
    trace.fans_out(Collect(quorum=2, grace=1.0, timeout=1.0, deadline=2.0))
    for name in ("broad", "risks", "diverse"):
        ended(trace, call(name), Answered(f"review.1/{name}", completion("Fine."), 1.0, 0.5, "gpt"))
    trace.finished(DONE)
    span = told(collector)
    assert span.happened(semconv.GATE_DECIDED) == [{"stellarator.gate.open": True}]
    assert span.happened(semconv.QUORUM_REACHED) == [{"stellarator.branch": "risks"}]


def test_what_is_under_way_when_nobody_waits_any_more_is_named(collector: HttpReceiver) -> None:
    trace = PanelTrace(ORDER)
    ended(trace, call("broad"), Answered("review.1/broad", completion("Fine."), 1.0, 0.5, "gpt"))
    trace.begins(call("risks"))
    trace.cancelled("client")
    span = told(collector)
    assert span.happened(semconv.STRAGGLER_CANCELLED) == [
        {"stellarator.branch": "risks", "stellarator.reason": "client"}
    ]
    assert span.happened(semconv.CANCELLED) == [{"stellarator.reason": "client"}]


async def test_an_attempt_whose_process_is_lost_lies_below_the_tool_like_any_other(
    collector: HttpReceiver,
) -> None:
    trace = PanelTrace(ORDER)
    order = CallOrder("run_1", call("broad"), SPEC.models["gpt"], trace.context, workflow="plain")
    lost: Awaitable[Outcome] = trace.tries(Silent(), order).result()
    with pytest.raises(LaneLost):
        await lost
    trace.finished(DONE)
    tool = await asyncio.to_thread(told, collector, 2)
    assert tool.attributes["stellarator.panel.attempts"] == 1
    (attempt,) = (span for span in collector.spans if span.name == "chat gpt-5.5")
    assert (attempt.parent_id, attempt.attributes["error.type"]) == (tool.span_id, "lane_lost")
