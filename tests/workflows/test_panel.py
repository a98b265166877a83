"""A panel, step by step, without Ray and models."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.flows import answered, completion, failed, workflow
from workflows.flow import (
    Answered,
    Call,
    Cancelled,
    Collected,
    FanOut,
    Flow,
    Outcome,
    Returned,
    ToolOutcome,
    ToolUse,
    advance,
)
from workflows.messages import ChatRequest, Message, ToolCall, Usage
from workflows.panel import convene
from workflows.spec import WorkflowSpec

ANALYSIS = json.dumps(
    {
        "consensus": ["It works."],
        "contradictions": [{"topic": "cost", "stances": [{"candidate": "A", "stance": "cheap"}]}],
        "partial_coverage": [],
        "unique_insights": [{"candidate": "B", "insight": "flaky tests"}],
        "blind_spots": ["time"],
        "advice": "Start small.",
        "confidence": 0.7,
        "used_candidates": ["A", "B", "C"],
    }
)


def use(arguments: str = '{"task": "Review the plan"}', asked: str = "Please review the plan") -> ToolUse:
    conversation = ChatRequest((Message.of("user", asked),))
    return ToolUse("review.1", "main", "review", ToolCall("call_1", "review", arguments), conversation)


def begin(spec: WorkflowSpec | None = None, **fields: Any) -> tuple[Flow[ToolOutcome], FanOut]:
    flow = convene(spec or workflow(), use(**fields), seed=7)
    step = advance(flow)
    assert isinstance(step, FanOut)
    return flow, step


def everyone(fan_out: FanOut, *texts: str) -> Collected:
    return Collected(tuple(answered(c, t) for c, t in zip(fan_out.calls, texts, strict=True)), "all")


def end_of(step: Any) -> ToolOutcome:
    assert isinstance(step, Returned)
    value = step.value
    assert isinstance(value, ToolOutcome)
    return value


def test_every_branch_gets_its_own_prompt_at_once() -> None:
    _, fan_out = begin()
    assert [call.step_id for call in fan_out.calls] == ["review.1/a", "review.1/b", "review.1/c"]
    assert fan_out.calls[1].request.messages[-1].text.startswith("b: Review the plan")


def test_a_branch_sees_the_users_own_words_only_when_the_task_does_not_hold_them() -> None:
    _, differing = begin(asked="Something else")
    assert "Something else" in differing.calls[0].request.messages[-1].text
    _, same = begin(asked="Review the plan")
    assert same.calls[0].request.messages[-1].text == "a: Review the plan"


def test_the_synthesis_sees_letters_and_never_the_branches_names_or_models() -> None:
    flow, fan_out = begin()
    step = advance(flow, everyone(fan_out, "first view", "second view", "third view"))
    assert isinstance(step, Call)
    prompt = step.request.messages[-1].text
    assert all(view in prompt for view in ("first view", "second view", "third view"))
    assert "candidate A" in prompt
    assert "openai/" not in prompt
    assert step.request.sampling.temperature == 0.0
    assert step.request.response_format is not None


def test_the_result_is_the_analysis_and_the_journal_learns_who_was_who() -> None:
    flow, fan_out = begin()
    synthesis = advance(flow, everyone(fan_out, "x", "y", "z"))
    assert isinstance(synthesis, Call)
    outcome = end_of(advance(flow, answered(synthesis, ANALYSIS)))
    assert outcome.status == "ran"
    assert "Start small." in outcome.result.text
    letters = outcome.detail["shuffle"]["letters"]
    assert sorted(letters.values()) == ["a", "b", "c"]
    assert outcome.detail["analysis"]["unique_insights"][0]["candidate"] == letters["B"]


def test_a_failed_branch_costs_its_answer_only() -> None:
    flow, fan_out = begin()
    first, second, third = fan_out.calls
    collected = Collected((answered(first, "x"), failed(second), answered(third, "z")), "all")
    synthesis = advance(flow, collected)
    assert isinstance(synthesis, Call)
    outcome = end_of(advance(flow, answered(synthesis, ANALYSIS)))
    assert outcome.status == "degraded"
    assert outcome.detail["left_out"] == {"b": "upstream_unavailable"}
    assert outcome.detail["answered"] == ["a", "c"]


def test_one_survivor_is_passed_on_and_flagged_without_a_synthesis() -> None:
    flow, fan_out = begin()
    first, second, third = fan_out.calls
    outcome = end_of(
        advance(flow, Collected((failed(first), answered(second, "the only view"), failed(third)), "all"))
    )
    assert outcome.status == "degraded"
    assert not outcome.result.is_error
    assert "the only view" in outcome.result.text


def test_a_panel_without_answers_is_an_error_result_with_every_reason() -> None:
    flow, fan_out = begin()
    gone = Collected(tuple(failed(call) for call in fan_out.calls), "all")
    outcome = end_of(advance(flow, gone))
    assert outcome.status == "failed"
    assert outcome.result.is_error
    assert outcome.detail["left_out"] == dict.fromkeys("abc", "upstream_unavailable")


def test_an_answer_that_is_only_thinking_does_not_count() -> None:
    flow, fan_out = begin()
    synthesis = advance(flow, everyone(fan_out, "x", "<think>hm</think>", "z"))
    assert isinstance(synthesis, Call)
    outcome = end_of(advance(flow, answered(synthesis, ANALYSIS)))
    assert outcome.detail["left_out"] == {"b": "only_thinking"}


def test_an_unreadable_synthesis_is_repaired_once() -> None:
    flow, fan_out = begin()
    synthesis = advance(flow, everyone(fan_out, "x", "y", "z"))
    assert isinstance(synthesis, Call)
    repair = advance(flow, answered(synthesis, "I think it is fine."))
    assert isinstance(repair, Call)
    assert repair.step_id == "review.1/repair"
    assert end_of(advance(flow, answered(repair, ANALYSIS))).status == "ran"


def test_without_a_synthesis_the_raw_candidates_are_passed_on() -> None:
    flow, fan_out = begin()
    synthesis = advance(flow, everyone(fan_out, "first view", "second view", "third view"))
    assert isinstance(synthesis, Call)
    outcome = end_of(advance(flow, failed(synthesis)))
    assert outcome.status == "degraded"
    assert all(view in outcome.result.text for view in ("first view", "second view", "third view"))


def test_a_synthesis_prompt_that_cannot_be_rendered_loses_no_answer() -> None:
    flow, fan_out = begin(workflow(synthesis={"model": "judge", "prompt": "{{ nonsense }}"}))
    outcome = end_of(advance(flow, everyone(fan_out, "first view", "y", "z")))
    assert outcome.status == "degraded"
    assert "first view" in outcome.result.text


def test_arguments_that_do_not_fit_go_back_to_the_main_llm_as_a_hint() -> None:
    flow = convene(workflow(), use('{"topic": 1}'), seed=7)
    outcome = end_of(advance(flow))
    assert outcome.status == "skipped"
    assert outcome.result.is_error
    assert "task" in outcome.result.text


def test_tokens_and_cost_of_all_calls_are_summed() -> None:
    flow, fan_out = begin()
    synthesis = advance(flow, everyone(fan_out, "x", "y", "z"))
    assert isinstance(synthesis, Call)
    outcome = end_of(advance(flow, answered(synthesis, ANALYSIS)))
    assert outcome.usage == Usage(400, 40)
    assert outcome.cost_usd is not None
    assert round(outcome.cost_usd, 6) == 0.04


def test_the_cost_is_unknown_when_any_calls_cost_is() -> None:
    flow, fan_out = begin()
    first, second, third = fan_out.calls
    unpriced = Answered(third.step_id, replace(completion("z"), cost_usd=None), 1.0)
    synthesis = advance(flow, Collected((answered(first, "x"), answered(second, "y"), unpriced), "all"))
    assert isinstance(synthesis, Call)
    assert end_of(advance(flow, answered(synthesis, ANALYSIS))).cost_usd is None


@given(st.lists(st.sampled_from(["answer", "empty", "fail", "straggler"]), min_size=3, max_size=3))
def test_nothing_is_lost(fates: list[str]) -> None:
    """Started = answered + left out, whatever happens to the branches."""
    flow, fan_out = begin()
    outcomes: list[Outcome] = []
    for call, fate in zip(fan_out.calls, fates, strict=True):
        match fate:
            case "answer":
                outcomes.append(answered(call, f"view of {call.name}"))
            case "empty":
                outcomes.append(answered(call, ""))
            case "fail":
                outcomes.append(failed(call))
            case _:
                outcomes.append(Cancelled(call.step_id, "straggler", 1.0))
    step = advance(flow, Collected(tuple(outcomes), "quorum"))
    if isinstance(step, Call):
        step = advance(flow, failed(step))
    detail = end_of(step).detail
    assert sorted([*detail["answered"], *detail["left_out"]]) == ["a", "b", "c"]
    views = [f"view of {name}" for name in detail["answered"]]
    assert all(view in end_of(step).result.text for view in views)
