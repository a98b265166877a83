"""The conversation of the main LLM under limits, step by step."""

from __future__ import annotations

from typing import Any

from tests.workflows.flows import answered, limited, priced, run_request
from workflows.flow import (
    Call,
    Failed,
    Flow,
    Reckon,
    Returned,
    RunSoFar,
    ToolOutcome,
    UseTools,
    advance,
)
from workflows.fusion import Answer, converse
from workflows.messages import Text, ToolCall, ToolResult
from workflows.policy import Spending
from workflows.spec import WorkflowSpec

FIRST = ToolCall("call_1", "review", '{"task": "the plan"}')
SECOND = ToolCall("call_2", "review", '{"task": "the budget"}')


class Run:
    """A conversation that is told what it has used whenever it asks."""

    def __init__(self, spec: WorkflowSpec, **request: Any) -> None:
        self._flow: Flow[Any] = converse(spec, run_request(**request))
        self._used = RunSoFar()

    def begin(self) -> Any:
        return self._reckoned(advance(self._flow))

    def go(self, outcome: object, *, tokens: int = 0, cost: float | None = 0.0, seconds: float = 0.0) -> Any:
        """Send an outcome; the run has now used this."""
        self._used = RunSoFar(Spending(tokens, cost), seconds)
        return self._reckoned(advance(self._flow, outcome))

    def _reckoned(self, step: Any) -> Any:
        while isinstance(step, Reckon):
            step = advance(self._flow, self._used)
        return step


def ran(call_id: str, status: Any = "ran") -> ToolOutcome:
    return ToolOutcome(ToolResult(call_id, (Text("advice"),)), status)


def offered(turn: Any) -> list[str]:
    assert isinstance(turn, Call)
    return [tool.name for tool in turn.request.tools]


def test_a_run_without_limits_reckons_nothing() -> None:
    step = advance(converse(limited({}), run_request()))
    assert isinstance(step, Call)
    assert step.request.sampling.max_tokens is None


def test_a_turn_may_write_what_is_left_and_a_tool_gets_that_without_the_answers_part() -> None:
    run = Run(limited({"max_tokens": 9_000}))
    turn = run.begin()
    assert 8_000 - 1 < turn.request.sampling.max_tokens <= 9_000
    uses = run.go(answered(turn, "", FIRST), tokens=1_000)
    assert isinstance(uses, UseTools)
    (use,) = uses.uses
    assert use.allowance.tokens is not None
    assert 1_900 < use.allowance.tokens < 9_000 - 1_000 - 6_000
    last = run.go((ran("call_1"),), tokens=2_000)
    assert 6_000 < last.request.sampling.max_tokens < 7_000


def test_panels_at_once_share_what_is_left() -> None:
    run = Run(limited({"max_cost_usd": 1.0}, priced(1.0)))
    turn = run.begin()
    uses = run.go(answered(turn, "", FIRST, SECOND), cost=0.2).uses
    shares = [use.allowance.cost_usd for use in uses]
    assert shares[0] == shares[1]
    assert 0.35 < shares[0] < 0.4


def test_panels_are_counted_and_no_longer_offered_when_the_run_has_had_them() -> None:
    run = Run(limited({"max_panels_per_run": 2}))
    turn = run.begin()
    uses = run.go(answered(turn, "", FIRST, SECOND)).uses
    assert [(use.allowance.panels, use.earlier) for use in uses] == [(2, 0), (1, 1)]
    again = run.go((ran("call_1"), ran("call_2", "skipped")))
    assert offered(again) == ["review"]
    (third,) = run.go(answered(again, "", ToolCall("call_3", "review", "{}"))).uses
    assert (third.allowance.panels, third.earlier) == (1, 1)
    assert offered(run.go((ran("call_3", "degraded"),))) == []


def test_tools_are_not_offered_when_only_the_answer_is_left() -> None:
    run = Run(limited({"max_tokens": 20_000}))
    turn = run.begin()
    assert offered(turn) == ["review"]
    run.go(answered(turn, "", FIRST))
    last = run.go((ran("call_1"),), tokens=15_000)
    assert offered(last) == []
    assert 4_000 < last.request.sampling.max_tokens < 5_000


def test_time_ends_tools_and_not_the_answer() -> None:
    run = Run(limited({"max_seconds": 60}))
    turn = run.begin()
    (use,) = run.go(answered(turn, "", FIRST), seconds=20.0).uses
    assert use.allowance.seconds == 40.0
    last = run.go((ran("call_1"),), seconds=61.0)
    assert offered(last) == []
    assert last.timeout is None


def test_a_run_that_cannot_afford_its_first_turn_fails_and_names_the_limit() -> None:
    end = Run(limited({"max_tokens": 20})).begin()
    assert isinstance(end, Returned)
    assert isinstance(end.value, Failed)
    assert end.value.failure.code == "limit_reached"
    assert "max_tokens 20" in end.value.failure.message
    assert not end.value.failure.retryable


def test_a_main_llm_without_a_price_is_refused_under_a_bound_on_money() -> None:
    end = Run(limited({"max_cost_usd": 5})).begin()
    assert isinstance(end.value, Failed)


def test_a_run_that_is_used_up_ends_with_what_was_said_as_cut_by_its_length() -> None:
    run = Run(limited({"max_tokens": 20_000}))
    run.go(answered(run.begin(), "Let me ask the panel.", FIRST))
    end = run.go((ran("call_1"),), tokens=20_000)
    assert isinstance(end, Returned)
    assert isinstance(end.value, Answer)
    assert end.value.completion.finish_reason == "length"
    assert end.value.panel == "ran"


def test_a_run_that_is_used_up_before_anything_was_said_is_a_failure() -> None:
    run = Run(limited({"max_tokens": 20_000}))
    run.go(answered(run.begin(), "<think>hm</think>", FIRST))
    end = run.go((ran("call_1"),), tokens=20_000)
    assert isinstance(end.value, Failed)


def test_spending_that_nobody_knows_uses_up_the_money() -> None:
    run = Run(limited({"max_cost_usd": 5}, priced(1.0)))
    run.go(answered(run.begin(), "Well.", FIRST))
    end = run.go((ran("call_1"),), cost=None)
    assert end.value.completion.finish_reason == "length"


def test_a_forced_panel_has_its_part_too() -> None:
    run = Run(limited({"max_tokens": 50_000}, trigger="always"))
    (use,) = run.begin().uses
    assert 43_000 < (use.allowance.tokens or 0) < 44_000
