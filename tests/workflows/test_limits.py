"""Whole runs within their limits: whatever models say, take and cost, a run never takes more than its limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workflows.flows import limited, run_request
from tests.workflows.test_panel import ANALYSIS
from workflows.errors import Failure
from workflows.flow import (
    Answered,
    Call,
    Cancelled,
    Collected,
    Failed,
    FanOut,
    Flow,
    Outcome,
    Reckon,
    Returned,
    RunSoFar,
    ToolOutcome,
    ToolUse,
    Tried,
    UseTools,
    advance,
)
from workflows.fusion import Answer, converse
from workflows.messages import Completion, Message, Text, ToolCall, Usage
from workflows.mounted import carry_out
from workflows.policy import Allowance, Spending
from workflows.spec import PriceSpec, WorkflowSpec
from workflows.tariff import Facts, ModelFacts, Prices, prompt_tokens

Draw = Any

CALLS = (ToolCall("c1", "review", '{"task": "the plan"}'), ToolCall("c2", "review", '{"task": "the budget"}'))
TEXTS = ("", "Yes.", "No, never.", "A longer view. " * 40, "应该使用缓存。" * 30, ANALYSIS, "{broken")


@dataclass
class World:
    """Models that take whatever they may: every call reads at most its prompt and writes at most its max_tokens."""

    draw: Draw
    spec: WorkflowSpec
    facts: Facts
    spent: Spending = Spending()
    calls: int = 0
    greedy: bool = False

    def run(self) -> Any:
        flow = converse(self.spec, run_request("Is the plan sound? " * 5), self.facts)
        step = advance(flow)
        while not isinstance(step, Returned):
            match step:
                case Reckon():
                    step = advance(flow, RunSoFar(self.spent, 0.0))
                case UseTools(uses):
                    step = advance(flow, tuple(self.tool(use) for use in uses))
                case Call():
                    step = advance(flow, self.turn(step))
                case FanOut():
                    raise AssertionError
        return step.value

    def tool(self, use: ToolUse) -> ToolOutcome:
        flow: Flow[ToolOutcome] = carry_out(self.spec, use, 7, self.facts)
        step = advance(flow)
        while not isinstance(step, Returned):
            match step:
                case FanOut(calls):
                    step = advance(flow, Collected(tuple(map(self.branch, calls)), "all"))
                case Call():
                    step = advance(flow, self.branch(step))
                case _:
                    raise AssertionError
        told = step.value
        assert told.cost_usd is not None
        return told

    def turn(self, call: Call) -> Answered:
        wanted = self.draw(st.integers(0, 2)) if call.request.tools else 0
        text = self.draw(st.sampled_from(TEXTS))
        message = Message("assistant", (Text(text), *CALLS[:wanted]))
        usage, cost = self.take(call, self.models(call))
        return Answered(
            call.step_id, Completion(message, "stop", usage, cost_usd=cost), 1.0, model=call.model
        )

    def branch(self, call: Call) -> Outcome:
        alias = self.draw(st.sampled_from(self.models(call)))
        usage, cost = self.take(call, [alias])
        tried: tuple[Tried, ...] = ()
        if call.kind == "branch" and self.spec.panels["review"].hedge and self.draw(st.booleans()):
            tried = (Tried(alias, "hedged", self.take(call, [alias])[0], hedged=True),)
        match self.draw(st.sampled_from(["answered"] * 6 + ["failed", "cancelled"])):
            case "answered":
                told = Completion(
                    Message.of("assistant", self.draw(st.sampled_from(TEXTS))), "stop", usage, "", cost
                )
                return Answered(call.step_id, told, 1.0, model=alias, tried=tried)
            case "failed":
                return Failed(call.step_id, Failure("upstream_timeout", "no"), 1.0, usage, alias, tried)
            case _:
                return Cancelled(call.step_id, "straggler", 1.0, usage, alias, tried)

    def models(self, call: Call) -> list[str]:
        return [call.model, *self.spec.models[call.model].fallbacks]

    def take(self, call: Call, aliases: list[str]) -> tuple[Usage, float]:
        """Use something of what the call may; half of the time all of it."""
        self.calls += 1
        most, prompt = call.request.sampling.max_tokens, prompt_tokens(call.request)
        assert most is not None, "a call under a limit says how much it may write"
        full = self.greedy or self.draw(st.booleans())
        read, written = (
            (prompt, most) if full else (self.draw(st.integers(0, prompt)), self.draw(st.integers(0, most)))
        )
        usage = Usage(read, written, self.draw(st.sampled_from([0, read])))
        prices = self.facts[self.draw(st.sampled_from(aliases))].prices
        assert prices is not None
        self.spent += Spending(read + written, prices.cost(usage))
        return usage, prices.cost(usage)


def chosen(draw: Draw) -> tuple[WorkflowSpec, Facts]:
    money = draw(st.none() | st.floats(1e-5, 2.0))
    tokens = draw(st.none() | st.integers(1, 200_000)) if money is not None else draw(st.integers(1, 200_000))
    bounds = {"max_cost_usd": money, "max_tokens": tokens, "max_tool_rounds": 2}
    models = {
        alias: {
            "max_tokens": draw(st.none() | st.integers(1, 5_000)),
            "fallbacks": draw(st.sampled_from([(), ("c",)])),
        }
        for alias in ("main", "a", "b", "judge")
    }
    branches = [
        {"name": n, "model": n, "prompt": "{{ task }} " * 30, "optional": draw(st.booleans())} for n in "abc"
    ]
    tool: dict[str, Any] = {
        "branches": branches,
        "trigger": draw(st.sampled_from(["auto", "always"])),
        "hedge": draw(st.sampled_from([None, {"after": 1}])),
        "panel": draw(st.sampled_from([None, {"start": 2}])),
        "synthesis": {
            "model": "judge",
            "output": draw(st.sampled_from(["analysis", "answer"])),
            "skip_when_agreement": draw(st.sampled_from([None, 0.9])),
            "max_candidate_chars": draw(st.integers(200, 2_000)),
        },
    }
    prices = st.builds(
        PriceSpec, input=st.floats(0, 10), output=st.floats(0, 30), cached_input=st.none() | st.floats(0, 12)
    )
    facts = {
        alias: ModelFacts(
            Prices(((0, draw(prices)),)),
            draw(st.sampled_from([None, 4_000])),
            draw(st.sampled_from([None, 900])),
        )
        for alias in ("main", "a", "b", "c", "judge")
    }
    return limited({k: v for k, v in bounds.items() if v is not None}, models, **tool), facts


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_run_never_takes_more_than_its_limits(data: st.DataObject) -> None:
    spec, facts = chosen(data.draw)
    world = World(data.draw, spec, facts)
    end = world.run()
    limits = spec.limits
    if limits.max_tokens is not None:
        assert world.spent.tokens <= limits.max_tokens
    if limits.max_cost_usd is not None:
        assert world.spent.cost_usd is not None
        assert world.spent.cost_usd <= limits.max_cost_usd * (1 + 1e-9)
    assert isinstance(end, Answer) or world.calls == 0 or end.failure.code == "limit_reached"


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_panel_fits_into_its_own_estimate_even_when_every_call_takes_all_it_may(
    data: st.DataObject,
) -> None:
    spec, facts = chosen(data.draw)
    conversation = run_request("Is the plan sound? " * 5).request
    use = ToolUse("review.1", "main", "review", CALLS[0], conversation, Allowance(1e9, 10**9))
    wanted = World(data.draw, spec, facts).tool(use).detail["estimate"]
    world = World(data.draw, spec, facts, greedy=True)
    exactly = Allowance(wanted["cost_usd"], wanted["tokens"])
    told = world.tool(replace(use, allowance=exactly)).detail
    assert "shrunk" not in told
    assert wanted["cost_usd"] is not None
    assert world.spent.tokens <= wanted["tokens"]
    assert world.spent.cost_usd is not None
    assert world.spent.cost_usd <= wanted["cost_usd"] * (1 + 1e-9)  # sums of floats in another order
    assert told["estimate"] == wanted
