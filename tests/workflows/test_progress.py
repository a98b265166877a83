"""The lines that a panel's events become."""

from __future__ import annotations

from tests.workflows.stories import said
from workflows.errors import Failure
from workflows.events import Event, StepCancelled, StepFailed, StepFinished, StepKind, StepStarted
from workflows.messages import ToolCall
from workflows.progress import Narrator
from workflows.spec import WorkflowSpec

SPEC = WorkflowSpec.model_validate(
    {
        "version": 1,
        "name": "review",
        "models": {
            "main": {"model": "openai/gpt-5.5"},
            "wide": {"model": "openrouter/google/gemini-3.5-flash"},
            "critic": {"model": "anthropic/claude-opus-4.8"},
        },
        "main": {"model": "main", "tools": ["panel"]},
        "tools": {
            "panel": {
                "mode": "fusion",
                "description": "Reviews.",
                "branches": [
                    {"name": name, "model": "wide", "prompt": "{{ task }}"} for name in ("a", "b", "c")
                ],
                "synthesis": {"model": "critic"},
            }
        },
    }
)
SECRET = "the plan is secret"


def started(
    step_id: str, kind: StepKind = "branch", model: str = "wide", parent: str = "panel.1"
) -> StepStarted:
    name = step_id.rpartition("/")[2]
    call = ToolCall("call_1", "panel", f'{{"task":"{SECRET}"}}') if kind == "tool" else None
    return StepStarted(
        id=f"{step_id}:s",
        run_id="run_1",
        at=1.0,
        step_id=step_id,
        parent_id=parent,
        step_kind=kind,
        name="panel" if kind == "tool" else name,
        model=model,
        call=call,
    )


def answered(step_id: str, seconds: float, text: str = SECRET) -> StepFinished:
    completion = said(text, 1, 1)
    return StepFinished(
        id=f"{step_id}:e", run_id="run_1", at=2.0, step_id=step_id, seconds=seconds, completion=completion
    )


def failed(step_id: str) -> StepFailed:
    failure = Failure("upstream_timeout", SECRET)
    return StepFailed(id=f"{step_id}:e", run_id="run_1", at=2.0, step_id=step_id, failure=failure)


def stopped(step_id: str) -> StepCancelled:
    return StepCancelled(id=f"{step_id}:e", run_id="run_1", at=2.0, step_id=step_id, reason="straggler")


def lines(*events: Event) -> list[str]:
    narrator = Narrator(SPEC, "panel")
    return [line for event in events for line in narrator.tell(event)]


def test_a_panel_from_its_beginning_to_its_end() -> None:
    done = StepFinished(id="t", run_id="run_1", at=3.0, step_id="panel.1", seconds=11.9, status="degraded")
    told = lines(
        started("panel.1", "tool", "", "main"),
        started("panel.1/a"),
        started("panel.1/b"),
        started("panel.1/c"),
        answered("panel.1/b", 4.71),
        answered("panel.1/a", 5.0),
        stopped("panel.1/c"),
        started("panel.1/synthesis", "synthesis", "critic"),
        answered("panel.1/synthesis", 3.0),
        done,
    )
    assert told == [
        "panel begins",
        "a (gemini-3.5-flash) thinks",
        "b (gemini-3.5-flash) thinks",
        "c (gemini-3.5-flash) thinks",
        "b answered in 4.7 s",
        "a answered in 5.0 s",
        "2 of 3 answered, waiting up to 8 s for the rest",
        "c stopped",
        "synthesis (claude-opus-4.8) reads 2 answers",
        "synthesis is ready after 3.0 s",
        "panel is done, degraded, after 11.9 s",
    ]


def test_what_went_wrong_is_named_by_its_code() -> None:
    told = lines(
        started("panel.1/a"),
        started("panel.1/a/attempt.1", "attempt", "wide", "panel.1/a"),
        failed("panel.1/a/attempt.1"),
        failed("panel.1/a"),
        started("panel.1/b"),
        answered("panel.1/b", 1.0, ""),
    )
    assert told[1:] == [
        "a failed (upstream_timeout), another attempt follows",
        "a failed (upstream_timeout)",
        "b (gemini-3.5-flash) thinks",
        "b gave no usable answer",
    ]


def test_no_line_quotes_a_prompt_an_answer_or_an_errors_message() -> None:
    told = lines(
        started("panel.1", "tool", "", "main"),
        started("panel.1/a"),
        answered("panel.1/a", 1.0),
        started("panel.1/b"),
        failed("panel.1/b"),
    )
    assert told
    assert SECRET not in " ".join(told)


def test_steps_that_began_elsewhere_are_passed_over() -> None:
    assert lines(answered("turn.1", 1.0), failed("panel.9/x")) == []
