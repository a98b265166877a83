"""What a panel decides: how many to ask, whether to merge, how long and how much; and that it says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows.flows import answered, completion, failed, limited, priced, workflow
from tests.workflows.test_panel import ANALYSIS, end_of, everyone, use
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
    Tried,
    advance,
)
from workflows.messages import Usage
from workflows.panel import convene
from workflows.policy import Allowance
from workflows.spec import WorkflowSpec
from workflows.tariff import ASSUMED_OUTPUT, prompt_tokens

SAME = ("The answer is 42.", "Answer: 42", "42")
BRANCHES = [{"name": name, "model": name, "prompt": f"{name}: {{{{ task }}}}"} for name in "abc"]


def begin(spec: WorkflowSpec, allowance: Allowance | None = None) -> tuple[Flow[ToolOutcome], Any]:
    flow = convene(spec, replace(use(), allowance=allowance or Allowance()), seed=7)
    return flow, advance(flow)


def go(flow: Flow[ToolOutcome], outcome: object) -> Any:
    return advance(flow, outcome)


def names(step: Any) -> list[str]:
    assert isinstance(step, FanOut)
    return [call.name for call in step.calls]


def synthesis(**fields: Any) -> dict[str, Any]:
    return {"model": "judge"} | fields


# Money and tokens


def test_a_panel_that_is_too_dear_shrinks_and_says_what_it_left_out_and_why() -> None:
    optional = [BRANCHES[0], BRANCHES[1] | {"optional": True}, BRANCHES[2]]
    spec = limited({"max_cost_usd": 1}, priced(1.0), branches=optional)
    whole = begin(spec, Allowance(cost_usd=1.0))[1]
    assert names(whole) == ["a", "b", "c"]
    flow, step = begin(spec, Allowance(cost_usd=0.07))
    assert names(step) == ["a", "c"]
    merging = go(flow, everyone(step, "x", "y"))
    outcome = end_of(go(flow, answered(merging, ANALYSIS)))
    assert outcome.status == "degraded"
    assert outcome.detail["left_out"] == {"b": "budget"}
    assert outcome.detail["asked"] == ["a", "c"]
    assert outcome.detail["allowance"] == {"cost_usd": 0.07}
    assert outcome.detail["shrunk"]["short"] == "cost_usd"
    assert outcome.detail["shrunk"]["wanted"]["cost_usd"] > 0.07 > outcome.detail["estimate"]["cost_usd"]
    assert "left out to keep within the budget" in outcome.result.text


def test_a_panel_that_cannot_be_afforded_at_all_is_not_convened() -> None:
    outcome = end_of(begin(limited({"max_cost_usd": 1}, priced(1.0)), Allowance(cost_usd=0.001))[1])
    assert (outcome.status, outcome.result.is_error) == ("skipped", False)
    assert outcome.detail["gate"] == "max_cost_usd"
    assert outcome.detail["left_out"] == dict.fromkeys("abc", "budget")
    assert outcome.detail["shrunk"]["wanted"]["tokens"] > 0
    assert "Answer without this tool" in outcome.result.text


def test_models_without_a_price_are_refused_only_under_a_bound_on_money() -> None:
    spec = workflow()
    assert names(begin(spec, Allowance(tokens=10**6))[1]) == ["a", "b", "c"]
    outcome = end_of(begin(spec, Allowance(cost_usd=100.0))[1])
    assert outcome.detail["gate"] == "unpriced"


def test_under_a_bound_every_call_says_how_much_it_may_write() -> None:
    spec = limited({"max_tokens": 10**6}, {"a": {"max_tokens": 70}}, synthesis=synthesis(max_tokens=900))
    flow, step = begin(spec, Allowance(tokens=10**6))
    assert [call.request.sampling.max_tokens for call in step.calls] == [70, ASSUMED_OUTPUT, ASSUMED_OUTPUT]
    merging = go(flow, everyone(step, "x", "y", "z"))
    assert merging.request.sampling.max_tokens == 900
    free = begin(spec)[1]
    assert [call.request.sampling.max_tokens for call in free.calls] == [None, None, None]


def test_what_losers_used_is_priced_as_an_estimate() -> None:
    flow, step = begin(limited({}, priced(2.0)))
    first, second, third = step.calls
    used = Usage(500_000, 0, estimated=True)
    stopped = Cancelled(third.step_id, "straggler", 1.0, used, "c", (Tried("c", "upstream_busy", used),))
    merging = go(flow, Collected((answered(first, "x"), answered(second, "y"), stopped), "quorum"))
    outcome = end_of(go(flow, answered(merging, ANALYSIS)))
    assert outcome.usage.estimated
    assert outcome.cost_usd is not None
    assert round(outcome.cost_usd, 6) == 2.03


# Adaptive size


def test_an_adaptive_panel_asks_the_others_only_when_the_first_disagree() -> None:
    flow, step = begin(workflow(panel={"start": 2}))
    assert names(step) == ["a", "b"]
    more = go(flow, everyone(step, "The answer is 42.", "The answer is 43."))
    assert names(more) == ["c"]
    merging = go(flow, everyone(more, "The answer is 44."))
    assert isinstance(merging, Call)
    detail = end_of(go(flow, answered(merging, ANALYSIS))).detail
    assert detail["adaptive"] == {"start": 2, "grown": True, "because": "disagreed"}
    assert detail["answered"] == ["a", "b", "c"]
    assert detail["left_out"] == {}


def test_an_adaptive_panel_that_agrees_spares_the_others_and_is_not_degraded() -> None:
    flow, step = begin(workflow(panel={"start": 2}))
    merging = go(flow, everyone(step, *SAME[:2]))
    outcome = end_of(go(flow, answered(merging, ANALYSIS)))
    assert outcome.status == "ran"
    assert outcome.detail["left_out"] == {"c": "not_needed"}
    assert outcome.detail["asked"] == ["a", "b"]
    assert outcome.detail["adaptive"] == {"start": 2, "grown": False, "because": "agreed"}
    assert outcome.detail["agreement"]["score"] >= 0.9
    assert "Not heard" not in outcome.result.text


def test_too_few_answers_bring_in_the_others_with_the_quorum_that_is_still_missing() -> None:
    flow, step = begin(workflow(panel={"start": 2}))
    first, second = step.calls
    more = go(flow, Collected((replace(answered(first, "x"), seconds=20.0), failed(second)), "all"))
    assert isinstance(more, FanOut)
    assert more.collect.quorum == 1
    assert more.collect.deadline == 130.0


def test_the_same_outcomes_lead_to_the_same_steps() -> None:
    def steps() -> list[Any]:
        flow, step = begin(workflow(panel={"start": 2}, synthesis=synthesis(skip_when_agreement=0.9)))
        told = [step]
        told.append(go(flow, everyone(step, "Yes.", "No.")))
        told.append(go(flow, everyone(told[-1], "Perhaps.")))
        return told

    assert steps() == steps()


# Agreement


def test_answers_that_agree_need_no_synthesis() -> None:
    flow, step = begin(workflow(synthesis=synthesis(skip_when_agreement=0.9)))
    outcome = end_of(go(flow, everyone(step, *SAME)))
    assert outcome.status == "ran"
    assert outcome.detail["synthesis"] == "agreed"
    assert outcome.detail["agreement"]["best"] in "abc"
    assert "3 models" in outcome.result.text
    assert "agreed" in outcome.result.text
    best = "abc".index(outcome.detail["agreement"]["best"])
    assert SAME[best] in outcome.result.text


def test_answers_that_contradict_each_other_are_merged_and_the_score_is_told() -> None:
    flow, step = begin(workflow(synthesis=synthesis(skip_when_agreement=0.9)))
    merging = go(flow, everyone(step, "The answer is 42.", "The answer is 43.", "42"))
    assert isinstance(merging, Call)
    agreement = end_of(go(flow, answered(merging, ANALYSIS))).detail["agreement"]
    assert agreement["score"] <= 0.3
    assert ["a", "b"] in agreement["contradictions"]


def test_agreement_is_not_measured_when_nothing_hangs_on_it() -> None:
    flow, step = begin(workflow())
    merging = go(flow, everyone(step, *SAME))
    assert "agreement" not in end_of(go(flow, answered(merging, ANALYSIS))).detail


# The synthesis


def test_a_synthesis_may_write_the_answer_and_the_main_llm_passes_it_on() -> None:
    flow, step = begin(workflow(synthesis=synthesis(output="answer")))
    merging = go(flow, everyone(step, "x", "y", "z"))
    assert isinstance(merging, Call)
    assert merging.request.response_format is None
    assert "What you write goes to the user" in merging.request.messages[-1].text
    outcome = end_of(go(flow, answered(merging, "<think>hm</think>It is sound.")))
    assert outcome.status == "ran"
    assert outcome.detail["written"] == "It is sound."
    assert "Give this answer to the user as it is" in outcome.result.text
    assert outcome.result.text.endswith("## Answer\nIt is sound.")


def test_a_written_answer_that_was_cut_is_flagged() -> None:
    flow, step = begin(workflow(synthesis=synthesis(output="answer")))
    merging = go(flow, everyone(step, "x", "y", "z"))
    outcome = end_of(go(flow, Answered(merging.step_id, completion("Half of", finish="length"), 1.0)))
    assert "ended early by its token limit" in outcome.result.text


def test_a_synthesis_that_writes_nothing_is_not_repaired_and_loses_no_answer() -> None:
    flow, step = begin(workflow(synthesis=synthesis(output="answer")))
    merging = go(flow, everyone(step, "first view", "y", "z"))
    outcome = end_of(go(flow, answered(merging, "")))
    assert outcome.status == "degraded"
    assert outcome.detail["problems"] == ["the answer is empty"]
    assert "first view" in outcome.result.text


def test_candidates_are_cut_to_the_context_window_of_the_synthesis() -> None:
    long = "A long view of the matter. " * 400
    spec = limited({}, {"judge": {"context_window": 6_000}}, synthesis=synthesis(max_tokens=1_000))
    flow, step = begin(spec)
    merging = go(flow, everyone(step, long, long, long))
    assert isinstance(merging, Call)
    assert 3_500 < prompt_tokens(merging.request) <= 0.9 * 6_000 - 1_000
    wide = limited({}, synthesis=synthesis(max_tokens=1_000))
    flow, step = begin(wide)
    assert prompt_tokens(go(flow, everyone(step, long, long, long)).request) > 6_000


def test_a_window_that_the_task_alone_fills_leads_to_the_raw_answers() -> None:
    flow, step = begin(limited({}, {"judge": {"context_window": 900}}))
    outcome = end_of(go(flow, everyone(step, "first view", "y", "z")))
    assert outcome.detail["synthesis"] == "failed"
    assert "context window" in outcome.detail["problems"][0]
    assert "first view" in outcome.result.text


def test_a_prompt_that_shows_the_answers_twice_has_room_for_half_of_each() -> None:
    long = "A long view of the matter. " * 400
    twice = synthesis(max_tokens=500, prompt="{{ task }}{{ evidence }}{{ evidence }}")
    flow, step = begin(limited({}, {"judge": {"context_window": 6_000}}, synthesis=twice))
    merging = go(flow, everyone(step, long, long, long))
    assert 4_000 < prompt_tokens(merging.request) <= 0.9 * 6_000 - 500


# Time


def test_the_panel_ends_when_the_runs_time_does() -> None:
    flow, step = begin(workflow(), Allowance(seconds=30.0))
    assert step.collect.deadline == 20.0
    took = Collected(tuple(replace(answered(c, "x"), seconds=18.0) for c in step.calls), "all")
    merging = go(flow, took)
    assert merging.timeout == 12.0
    repair = go(flow, replace(answered(merging, "no JSON"), seconds=11.5))
    outcome = end_of(repair)
    assert outcome.detail["synthesis"] == "failed"
    assert outcome.detail["collect"] == {"quorum": 2, "grace": 8.0, "deadline": 20.0}


def test_plenty_of_time_changes_nothing() -> None:
    flow, step = begin(workflow(), Allowance(seconds=3_000.0))
    assert step.collect.deadline == 150.0
    assert go(flow, everyone(step, "x", "y", "z")).timeout == 60.0


# The record


def test_attempts_and_hedges_are_told_by_branch() -> None:
    flow, step = begin(workflow(hedge={"after": 1}))
    first, second, third = step.calls
    retried = replace(answered(first, "x"), tried=(Tried("a", "upstream_busy"),))
    hedged = replace(answered(second, "y"), tried=(Tried("b", "hedged", hedged=True),))
    merging = go(flow, Collected((retried, hedged, answered(third, "z")), "all"))
    late = replace(answered(merging, ANALYSIS), tried=(Tried("judge", "upstream_timeout"),))
    detail = end_of(go(flow, late)).detail
    assert detail["hedged"] == ["b"]
    assert detail["attempts"] == {
        "a": [{"model": "a", "ended": "upstream_busy"}],
        "b": [{"model": "b", "ended": "hedged"}],
        "synthesis": [{"model": "judge", "ended": "upstream_timeout"}],
    }


def test_the_estimate_is_told_with_unknown_prices_as_null() -> None:
    flow, step = begin(workflow())
    merging = go(flow, everyone(step, "x", "y", "z"))
    detail = end_of(go(flow, answered(merging, ANALYSIS))).detail
    assert detail["estimate"]["cost_usd"] is None
    assert detail["estimate"]["tokens"] > 5 * ASSUMED_OUTPUT
    assert "allowance" not in detail
    assert "shrunk" not in detail


FATES = st.sampled_from(["answer", "other", "empty", "fail", "straggler"])


def fated(call: Call, fate: str) -> Outcome:
    match fate:
        case "answer":
            return answered(call, "The answer is 42.")
        case "other":
            return answered(call, f"The answer is {call.name}.")
        case "empty":
            return answered(call, "")
        case "fail":
            return failed(call)
        case _:
            return Cancelled(call.step_id, "straggler", 1.0)


@settings(deadline=None)
@given(st.data())
def test_every_branch_is_accounted_for(data: st.DataObject) -> None:
    """Answered + left out are all branches of the workflow, each once, whatever was decided and whatever happened."""
    tool: dict[str, Any] = {
        "branches": [b | {"optional": data.draw(st.booleans())} for b in BRANCHES],
        "panel": data.draw(st.sampled_from([None, {"start": 2}])),
        "synthesis": synthesis(skip_when_agreement=data.draw(st.sampled_from([None, 0.9]))),
    }
    spec = limited({"max_cost_usd": 1}, priced(1.0), **tool)
    flow, step = begin(spec, Allowance(cost_usd=data.draw(st.sampled_from([0.001, 0.02, 0.06, 0.08, 1.0]))))
    asked: list[str] = []
    while not isinstance(step, Returned):
        if isinstance(step, FanOut):
            asked += names(step)
            step = go(flow, Collected(tuple(fated(c, data.draw(FATES)) for c in step.calls), "quorum"))
        else:
            step = go(flow, answered(step, ANALYSIS) if data.draw(st.booleans()) else failed(step))
    detail = step.value.detail
    assert detail.get("asked", []) == asked
    assert sorted([*detail.get("answered", []), *detail["left_out"]]) == ["a", "b", "c"]
    assert not {
        name for name, reason in detail["left_out"].items() if reason in {"budget", "not_needed"}
    } & set(asked)
