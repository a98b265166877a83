from typing import Any

import pytest

from serve_app.cli.render.decisions import decided
from workflows.replay import StepView

FULL = {"asked": ["broad", "risks", "diverse"], "answered": ["broad", "risks", "diverse"], "ended_by": "all"}


def tool(detail: dict[str, Any], **more: Any) -> StepView:
    return StepView(step_id="t", parent_id="main", kind="tool", name="review", detail=detail, **more)


def facts(detail: dict[str, Any], *names: str) -> tuple[str, ...]:
    branches = [
        StepView(step_id=f"t/{name}", parent_id="t", kind="branch", name=name, status="ok")
        for name in names or ("broad", "risks", "diverse")
    ]
    return decided(tool(detail, status="ok"), branches)


def test_a_panel_of_which_all_answered_is_one_fact() -> None:
    assert facts(FULL | {"synthesis": "ok"}) == ("3 of 3 branches answered",)


@pytest.mark.parametrize(
    ("detail", "fact"),
    [
        (
            {"ended_by": "quorum", "collect": {"quorum": 2, "grace": 8.0, "deadline": 150.0}},
            "3 of 3 branches answered, then the quorum of 2 and 8.0 s of grace were over",
        ),
        (
            {"ended_by": "deadline", "collect": {"quorum": 2, "grace": 8.0, "deadline": 150.0}},
            "3 of 3 branches answered, then the deadline of 2 m 30 s was reached",
        ),
        (
            {"adaptive": {"start": 2, "grown": True, "because": "disagreed"}},
            "2 were asked first; they disagreed, so the others were asked too",
        ),
        ({"left_out": {"dear": "budget"}}, "dear was not asked: it did not fit into the run's limits"),
        ({"left_out": {"risks": "empty"}}, "risks gave nothing usable (empty)"),
        (
            {"shrunk": "cost_usd", "estimate": {"cost_usd": 0.12, "tokens": 43_000}},
            "the panel was shrunk to $0.12 and 43.0k tokens at worst",
        ),
        ({"hedged": ["broad"]}, "slow, so a second copy was started: broad"),
        (
            {"agreement": {"score": 0.934, "best": "risks"}, "synthesis": "agreed"},
            "the answers agree to 93%, and risks stands for all",
        ),
        ({"agreement": {"score": 0.3, "best": "risks"}, "synthesis": "ok"}, "the answers agree to 30%"),
        ({"synthesis": "agreed"}, "one answer was passed on without a synthesis"),
        (
            {"synthesis": "failed", "problems": ["It is no JSON.", "At all."]},
            "the synthesis failed, so the answers were passed on as they are: It is no JSON",
        ),
        (
            {"synthesis": "ok", "written": "So."},
            "the synthesis wrote the answer, for the main LLM to pass on",
        ),
    ],
)
def test_every_decision_is_told_with_its_reason(detail: dict[str, Any], fact: str) -> None:
    assert fact in facts(FULL | detail)


def test_branches_that_were_never_asked_are_not_counted_as_asked() -> None:
    detail = {"asked": ["a", "b"], "answered": ["a", "b"], "left_out": {"c": "not_needed"}}
    assert facts(detail, "a", "b") == (
        "2 of 2 branches answered",
        "c was not asked: the first ones were enough",
    )


def test_pairs_that_contradict_each_other_are_named() -> None:
    found = {"score": 0.5, "best": "risks", "contradictions": [["broad", "risks"]]}
    assert facts(FULL | {"agreement": found})[-1] == "broad and risks contradict each other"


def test_a_call_that_was_turned_away_tells_the_gate_and_the_hint() -> None:
    detail = {"gate": "min_length", "hint": "`task` has 3 characters."}
    assert decided(tool(detail), ()) == ("not carried out (min_length): `task` has 3 characters.",)
    short = {
        "gate": "max_cost_usd",
        "hint": "Too dear.",
        "estimate": {"cost_usd": 1.5, "tokens": 900},
        "allowance": {"cost_usd": 0.5},
    }
    assert decided(tool(short), ())[1] == "it could have taken $1.50 and 900 tokens; left were $0.50"


def test_a_mounted_model_is_no_panel() -> None:
    assert facts({"answered": "usable", "images": 1}, "vision") == ()


def test_keys_that_nobody_knows_are_passed_over() -> None:
    detail = FULL | {"novel": {"deep": [1]}, "synthesis": "novel", "ended_by": "novel"}
    assert facts(detail) == ("3 of 3 branches answered",)
    assert facts(FULL | {"left_out": {"x": "novel"}})[1] == "x was not asked: novel"
