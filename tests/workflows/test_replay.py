"""Runs as folds of their events."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows import stories
from tests.workflows.stories import BEGAN, MODEL_TIMEOUT, fusion_run, said
from workflows.events import Event, RunCancelled, RunFailed, RunStarted, StepFinished, StepStarted
from workflows.messages import Text, ToolResult, Usage
from workflows.redaction import redacted
from workflows.replay import RunSummary, RunView, StepView, finished_steps, run_view, summary_of, to_json

TOOL = "problem_review.1"


def step(view: RunView, step_id: str) -> StepView:
    return next(step for step in view.steps if step.step_id == step_id)


def until(event_id: str) -> list[Event]:
    """The fusion run as it stood right after that event."""
    run = fusion_run()
    return run[: next(i for i, event in enumerate(run) if event.id == event_id) + 1]


def step_of(event: Event) -> str:
    return getattr(event, "step_id", "")


def interleaved(events: list[Event], random: Random) -> list[Event]:
    """The same events in another order that keeps the order within each step and among the run's own."""
    slots = [step_of(event) for event in events]
    random.shuffle(slots)
    queues = {name: [event for event in events if step_of(event) == name] for name in slots}
    return [queues[name].pop(0) for name in slots]


def test_a_finished_run_shows_what_the_client_got() -> None:
    view = run_view(fusion_run())
    assert (view.run_id, view.virtual_model, view.status) == ("run_1", "fusion-review", "ok")
    assert view.answer == "Do it in two weeks."
    assert view.usage == Usage(100, 60)
    assert view.total_usage == Usage(480, 157, estimated=True)
    assert view.cost_usd is None
    assert view.panel == "degraded"
    assert view.seconds is not None
    assert round(view.seconds, 3) == 7.2


def test_steps_stand_in_start_order_and_the_last_turn_is_the_answer() -> None:
    names = [(s.kind, s.name) for s in run_view(fusion_run()).steps]
    assert names == [
        ("main", "main"),
        ("turn", "turn 1"),
        ("tool", "problem_review"),
        ("branch", "broad"),
        ("branch", "risks"),
        ("branch", "diverse"),
        ("synthesis", "synthesis"),
        ("answer", "answer"),
    ]


def test_the_last_turn_of_an_unfinished_run_is_still_a_turn() -> None:
    assert step(run_view(until("run_1:turn.2:ended")), "turn.2").kind == "turn"


def test_the_tree_hangs_branches_and_synthesis_below_the_tool() -> None:
    (main,) = run_view(fusion_run()).tree()
    assert [node.step.step_id for node in main.children] == ["turn.1", TOOL, "turn.2"]
    assert [node.step.name for node in main.children[1].children] == [
        "broad",
        "risks",
        "diverse",
        "synthesis",
    ]


def test_a_step_whose_parent_is_unknown_stands_at_the_top_of_the_tree() -> None:
    orphans = [event for event in fusion_run() if step_of(event) not in {"main", TOOL}]
    assert len(run_view(orphans).tree()) == 6


def test_containers_show_the_sum_of_the_steps_below_them() -> None:
    view = run_view(fusion_run())
    tool, main = step(view, TOOL), step(view, "main")
    assert (tool.input_tokens, tool.output_tokens) == (50 + 50 + 80, 30 + 7 + 40)
    assert (main.input_tokens, main.output_tokens) == (480, 157)
    assert tool.seconds == 4.0
    assert main.usage == view.total_usage


def test_the_cost_of_a_container_is_unknown_when_a_call_below_it_has_no_price() -> None:
    view = run_view(fusion_run())
    assert step(view, f"{TOOL}/diverse").cost_usd is None
    assert step(view, TOOL).cost_usd is None
    assert step(view, "turn.1").cost_usd == 0.01


def test_a_call_that_failed_before_it_used_anything_costs_nothing() -> None:
    assert step(run_view(fusion_run()), f"{TOOL}/risks").cost_usd == 0.0


def test_each_ending_of_a_step_keeps_its_facts() -> None:
    view = run_view(fusion_run())
    assert step(view, f"{TOOL}/broad").output == "Broadly fine."
    assert step(view, f"{TOOL}/broad").model == "vendor/model"
    assert step(view, f"{TOOL}/risks").failure == MODEL_TIMEOUT
    assert step(view, f"{TOOL}/diverse").reason == "straggler"
    assert step(view, TOOL).status == "degraded"
    assert step(view, TOOL).detail == {"seed": 7, "decision": "always"}


def test_a_run_under_way_shows_the_steps_that_are_running_and_what_was_used_so_far() -> None:
    view = run_view(until(f"run_1:{TOOL}/broad:ended"))
    assert (view.status, view.ended_at, view.answer) == ("running", None, "")
    assert [s.name for s in view.steps if s.status == "running"] == [
        "main",
        "problem_review",
        "risks",
        "diverse",
    ]
    assert view.total_usage == Usage(150, 50)
    assert view.cost_usd == 0.02


def test_nothing_is_known_of_no_events() -> None:
    view = run_view([])
    assert (view.run_id, view.status, view.steps) == ("", "running", ())


def test_steps_that_were_under_way_when_their_run_ended_were_cut_off() -> None:
    events = [
        *until("run_1:turn.1:started"),
        RunFailed(id="end", run_id="run_1", at=BEGAN + 2, failure=MODEL_TIMEOUT),
    ]
    view = run_view(events)
    assert (view.status, view.error) == ("failed", MODEL_TIMEOUT)
    assert [(s.status, s.reason) for s in view.steps] == [("cancelled", "unknown")] * 2


def test_a_cancelled_run_says_why() -> None:
    gone = RunCancelled(id="end", run_id="run_1", at=BEGAN + 2, reason="client")
    assert (run_view([gone]).status, run_view([gone]).reason) == ("cancelled", "client")


def test_an_answer_outweighs_a_failure_that_an_earlier_attempt_recorded() -> None:
    failed = RunFailed(id="early", run_id="run_1", at=BEGAN + 1, failure=MODEL_TIMEOUT)
    first, *rest = fusion_run()
    view = run_view([first, failed, *rest])
    assert (view.status, view.error) == ("ok", None)


def test_a_step_that_is_tried_again_is_running_and_keeps_what_the_first_attempt_used() -> None:
    again = StepStarted(
        id="again",
        run_id="run_1",
        at=BEGAN + 9,
        step_id=f"{TOOL}/diverse",
        parent_id=TOOL,
        step_kind="branch",
        name="diverse",
    )
    view = run_view([*until(f"run_1:{TOOL}/diverse:ended"), again])
    retried = step(view, f"{TOOL}/diverse")
    assert (retried.status, retried.attempts, retried.output_tokens) == ("running", 2, 7)
    assert retried.started_at == BEGAN + 1.22
    done = StepFinished(
        id="done", run_id="run_1", at=BEGAN + 10, step_id=retried.step_id, completion=said("At last.", 50, 9)
    )
    finished = step(run_view([*until(f"run_1:{TOOL}/diverse:ended"), again, done]), retried.step_id)
    assert (finished.status, finished.output, finished.output_tokens) == ("ok", "At last.", 16)


def test_a_step_whose_start_is_missing_is_placed_by_its_id() -> None:
    ends = [event for event in fusion_run() if not isinstance(event, StepStarted | RunStarted)]
    view = run_view(ends)
    assert {(s.step_id, s.kind, s.parent_id, s.attempts) for s in view.steps} == {
        ("main", "main", "", 0),
        ("turn.1", "turn", "main", 0),
        (TOOL, "tool", "main", 0),
        (f"{TOOL}/broad", "branch", TOOL, 0),
        (f"{TOOL}/risks", "branch", TOOL, 0),
        (f"{TOOL}/diverse", "branch", TOOL, 0),
        (f"{TOOL}/synthesis", "synthesis", TOOL, 0),
        ("turn.2", "answer", "main", 0),
    }


def test_steps_of_the_same_moment_count_like_people() -> None:
    turns = [
        StepStarted(
            id=str(n),
            run_id="r",
            at=1.0,
            step_id=f"turn.{n}",
            parent_id="main",
            step_kind="turn",
            name=f"turn {n}",
        )
        for n in (10, 9, 2)
    ]
    assert [s.step_id for s in run_view(turns).steps] == ["turn.2", "turn.9", "turn.10"]


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 17), max_size=8))
def test_any_order_between_steps_and_any_repetition_gives_the_same_view(
    random: Random, repeated: list[int]
) -> None:
    run = fusion_run()
    mixed = interleaved(run, random)
    for index in repeated:
        mixed.append(run[index])
    assert run_view(mixed) == run_view(run)


@settings(deadline=None)
@given(st.lists(stories.events, max_size=6))
def test_no_events_whatever_make_the_fold_raise(events: list[Event]) -> None:
    one_run = [replace(event, run_id="r") for event in events]
    view = run_view(one_run)
    view.tree()
    json.dumps(to_json(view))
    assert {s.step_id for s in view.steps} == {step_of(event) for event in one_run} - {""}


@settings(deadline=None)
@given(st.lists(stories.events, max_size=6))
def test_the_summary_is_the_view_without_steps_and_contents(events: list[Event]) -> None:
    view, summary = run_view(events), summary_of(events)
    assert summary == RunSummary(**{f.name: getattr(view, f.name) for f in fields(RunSummary)})


def test_finished_steps_are_the_results_that_need_not_be_paid_for_again() -> None:
    results = finished_steps(fusion_run())
    assert set(results) == {"main", "turn.1", "turn.2", TOOL, f"{TOOL}/broad", f"{TOOL}/synthesis"}
    assert results[TOOL].result == ToolResult("call_1", (Text("Agreed."),))


def test_a_redacted_result_cannot_be_used_again() -> None:
    assert finished_steps(redacted(event) for event in fusion_run()) == {}


def test_a_redacted_run_keeps_its_tokens_times_and_errors() -> None:
    whole, bare = run_view(fusion_run()), run_view([redacted(event) for event in fusion_run()])
    assert summary_of(map(redacted, fusion_run())) == summary_of(fusion_run())
    assert [(s.usage, s.seconds, s.failure, s.reason) for s in bare.steps] == [
        (s.usage, s.seconds, s.failure, s.reason) for s in whole.steps
    ]
    assert [s.output for s in bare.steps] == [""] * 8
    assert bare.answer == ""


def test_the_json_object_has_what_the_demo_promises() -> None:
    value = json.loads(json.dumps(to_json(run_view(fusion_run()))))
    assert {"run_id", "virtual_model", "answer", "usage", "steps"} <= set(value)
    assert {"name", "kind", "model", "status", "seconds", "input_tokens", "output_tokens"} <= set(
        value["steps"][0]
    )
    assert [s["status"] for s in value["steps"]] == [
        "ok",
        "ok",
        "degraded",
        "ok",
        "failed",
        "cancelled",
        "ok",
        "ok",
    ]


def test_attempts_below_a_call_are_counted_and_name_who_was_asked() -> None:
    branch = f"{TOOL}/diverse"
    tries = [
        StepStarted(
            id=f"try{n}",
            run_id="run_1",
            at=BEGAN + 1.3 + n,
            step_id=f"{branch}/attempt.{n}",
            parent_id=branch,
            step_kind="attempt",
            name=f"attempt {n}",
            model="strong",
        )
        for n in (1, 2)
    ]
    view = run_view([*fusion_run(), *tries])
    tried = step(view, branch)
    assert tried.attempts == 3
    assert tried.models_tried == ("strong", tried.model)
    assert (step(view, TOOL).attempts, step(view, TOOL).models_tried) == (1, ())
    assert step(view, f"{TOOL}/broad").attempts == 1
