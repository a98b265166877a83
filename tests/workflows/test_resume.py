"""What earlier lives of a run leave for the next."""

from __future__ import annotations

from dataclasses import replace

from tests.workflows.stories import BEGAN, MODEL_TIMEOUT, asked, fusion_run
from workflows.attempts import attempt_after
from workflows.events import (
    Event,
    RunCancelled,
    RunResumed,
    RunStarted,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepStarted,
)
from workflows.flow import Call, ToolUse, Tried
from workflows.messages import ChatRequest, ToolCall, Usage
from workflows.policy import Retry
from workflows.redaction import redacted
from workflows.resume import LostLife, earlier_lives

TOOL = "problem_review.1"
CALL = ToolCall("call_1", "problem_review", '{"task": "Plan"}')


def call(step_id: str, request: ChatRequest | None = None) -> Call:
    return Call(step_id, TOOL, "branch", "broad", "alias", request or asked())


def use(tool_call: ToolCall = CALL) -> ToolUse:
    return ToolUse(TOOL, "main", "problem_review", tool_call, asked())


def events_until(event_id: str) -> list[Event]:
    """The run as its process left it when it died right after that event; its tool was called with `CALL`."""
    story = [
        replace(event, call=CALL) if isinstance(event, StepStarted) and event.step_id == TOOL else event
        for event in fusion_run()
    ]
    return story[: next(i for i, event in enumerate(story) if event.id == event_id) + 1]


def test_a_run_that_begins_has_nothing_behind_it() -> None:
    earlier = earlier_lives([])
    assert (earlier.lives, earlier.seconds) == (0, 0.0)
    assert earlier.answered(call("turn.1")) is None


def test_the_trace_in_which_a_run_began_is_known_to_its_later_lives() -> None:
    (start, *rest) = events_until(f"run_1:{TOOL}/broad:ended")
    assert isinstance(start, RunStarted)
    again = RunResumed(id="run_1:resumed:1", run_id="run_1", at=BEGAN + 9, driver="other")
    assert earlier_lives([replace(start, trace_id="a" * 32), *rest, again]).first_trace == "a" * 32


def test_a_first_life_that_nothing_ended_is_known_to_the_next_where_it_was_traced() -> None:
    (start, *rest) = events_until(f"run_1:{TOOL}/broad:ended")
    assert isinstance(start, RunStarted)
    context = f"00-{'a' * 32}-{'b' * 16}-01"
    traced = replace(start, traceparent=context)
    again = RunResumed(id="run_1:resumed:1", run_id="run_1", at=BEGAN + 9, driver="other")
    third = replace(again, id="run_1:resumed:2")
    ended = RunCancelled(id="run_1:ended", run_id="run_1", at=BEGAN + 8, reason="shutdown")
    assert earlier_lives([traced, *rest, again]).lost == LostLife(context, BEGAN)
    assert earlier_lives([traced, *rest, again, third]).lost is None
    assert earlier_lives([traced, *rest, ended, again]).lost is None
    assert earlier_lives([start, *rest, again]).lost is None


def test_a_finished_call_is_answered_when_it_asks_the_same() -> None:
    earlier = earlier_lives(events_until(f"run_1:{TOOL}/broad:ended"))
    answered = earlier.answered(call(f"{TOOL}/broad"))
    assert answered is not None
    assert answered.completion.message.text == "Broadly fine."
    assert answered.model == "alias"


def test_a_finished_call_is_not_answered_when_it_asks_something_else() -> None:
    earlier = earlier_lives(events_until(f"run_1:{TOOL}/broad:ended"))
    assert earlier.answered(call(f"{TOOL}/broad", asked("Something else."))) is None


def test_a_call_that_was_under_way_is_known_to_be_lost_and_one_that_ended_is_not() -> None:
    earlier = earlier_lives(events_until(f"run_1:{TOOL}/risks:ended"))
    assert earlier.known(f"{TOOL}/diverse").under_way
    assert not earlier.known(f"{TOOL}/risks").under_way
    assert earlier.answered(call(f"{TOOL}/risks")) is None


def test_a_finished_tool_comes_back_with_what_everything_below_it_took() -> None:
    outcome = earlier_lives(events_until(f"run_1:{TOOL}:ended")).carried_out(use())
    assert outcome is not None
    assert outcome.result.text == "Agreed."
    assert outcome.usage == Usage(180, 77, estimated=True)
    assert outcome.cost_usd is None


def test_a_tool_that_was_called_otherwise_or_that_nobody_answered_is_used_anew() -> None:
    events = events_until(f"run_1:{TOOL}:ended")
    assert earlier_lives(events).carried_out(use(replace(CALL, arguments="{}"))) is None
    failed = [
        replace(event, detail={"status": "failed"})
        if isinstance(event, StepFinished) and event.step_id == TOOL
        else event
        for event in events
    ]
    assert earlier_lives(failed).carried_out(use()) is None


def test_nothing_is_left_of_a_run_whose_contents_were_not_kept() -> None:
    earlier = earlier_lives(redacted(event) for event in events_until(f"run_1:{TOOL}:ended"))
    assert earlier.answered(call(f"{TOOL}/broad")) is None
    assert earlier.carried_out(use()) is None


def test_lives_are_counted_and_only_the_time_in_them() -> None:
    resumed: list[Event] = [
        RunResumed(id=f"r{number}", run_id="run_1", at=BEGAN + 3600 * number, driver="b") for number in (1, 2)
    ]
    said = StepFailed(id="x", run_id="run_1", at=BEGAN + 3610, step_id="turn.3", failure=MODEL_TIMEOUT)
    story = [*events_until("run_1:turn.1:ended"), resumed[0], said, resumed[1]]
    earlier = earlier_lives(story)
    assert earlier.lives == 2
    assert earlier.seconds == 1.0 + 10.0


def test_attempts_that_were_given_up_are_kept_account_of() -> None:
    story: list[Event] = [
        *events_until(f"run_1:{TOOL}/broad:started"),
        StepFailed(
            id="a1",
            run_id="run_1",
            at=BEGAN + 2,
            step_id=f"{TOOL}/broad/attempt.1",
            failure=MODEL_TIMEOUT,
            model="alias",
        ),
        StepCancelled(
            id="a2",
            run_id="run_1",
            at=BEGAN + 2,
            step_id=f"{TOOL}/broad/attempt.2.lost",
            reason="hedged",
            model="spare",
        ),
    ]
    known = earlier_lives(story).known(f"{TOOL}/broad")
    assert known.under_way
    assert known.failures == (("alias", MODEL_TIMEOUT),)
    assert known.tried == (Tried("alias", MODEL_TIMEOUT.code), Tried("spare", "hedged", hedged=True))


def test_who_goes_on_with_a_call_makes_the_attempt_after_those_on_record() -> None:
    retry = Retry(2, 0.1, 1.0)
    models = ("alias", "spare")
    first, _ = attempt_after(models, retry, ())
    assert (first.number, first.model) == (1, "alias")
    second, failures = attempt_after(models, retry, (("alias", MODEL_TIMEOUT),))
    assert (second.number, second.model, second.pause, failures) == (2, "alias", 0.0, [MODEL_TIMEOUT])
    third, failures = attempt_after(models, retry, (("alias", MODEL_TIMEOUT), ("alias", MODEL_TIMEOUT)))
    assert (third.number, third.model, failures) == (3, "spare", [])
