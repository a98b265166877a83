"""From a finished run to what its branches contributed."""

from __future__ import annotations

from tests.workflows.stories import fusion_run
from workflows.crediting import contributions
from workflows.events import RunFinished
from workflows.replay import run_view


def test_every_panel_of_a_finished_run_is_credited_to_its_branches() -> None:
    view = run_view(fusion_run())
    ((step_id, attribution),) = contributions(view)
    tool = next(step for step in view.steps if step.kind == "tool")
    answered = [s.name for s in view.steps if s.kind == "branch" and s.output]
    assert step_id == tool.step_id
    assert [line.branch for line in attribution.contributions] == answered


def test_a_run_without_an_answer_is_credited_to_nobody() -> None:
    events = [event for event in fusion_run() if not isinstance(event, RunFinished)]
    assert list(contributions(run_view(events))) == []
