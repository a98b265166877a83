"""From a finished run to what its branches contributed."""

from __future__ import annotations

from tests.workflows.stories import fusion_run, said
from workflows.crediting import contributions
from workflows.events import Event, RunFinished, StepFailed, StepFinished
from workflows.replay import run_view


def two_answered() -> list[Event]:
    """A finished run of which a second branch answered, too: the one that the answer was taken from."""
    return [
        StepFinished(
            id=event.id,
            run_id=event.run_id,
            at=event.at,
            step_id=event.step_id,
            completion=said("Do it in two weeks, not one.", 50, 20),
        )
        if isinstance(event, StepFailed)
        else event
        for event in fusion_run()
    ]


def test_every_panel_of_a_finished_run_is_credited_to_its_branches() -> None:
    ((step_id, attribution),) = contributions(run_view(two_answered()))
    assert step_id == "problem_review.1"
    shares = {line.branch: line.answer for line in attribution.contributions}
    assert shares["risks"] > shares["broad"]


def test_one_answer_alone_needs_no_credit() -> None:
    assert list(contributions(run_view(fusion_run()))) == []


def test_a_run_without_an_answer_is_credited_to_nobody() -> None:
    events = [event for event in two_answered() if not isinstance(event, RunFinished)]
    assert list(contributions(run_view(events))) == []
