"""One call with its retries, fallbacks and hedges, around fake attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from actors.attempts import Attempts, Plan
from actors.recorder import Recorder
from tests.workflows.flows import completion
from workflows.errors import Failure, LaneLost
from workflows.events import Event, StepCancelled, StepFailed, StepStarted
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome, Tried
from workflows.messages import ChatRequest
from workflows.policy import Hedge, HedgeAllowance, Retry

CALL = Call("review.1/a", "review.1", "branch", "a", "first", ChatRequest(()), timeout=60.0)


class Memory:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def append(self, events: Any) -> None:
        self.events += events

    def append_soon(self, events: Any) -> None:
        self.events += events

    def ended(self) -> list[StepFailed | StepCancelled]:
        return [event for event in self.events if isinstance(event, StepFailed | StepCancelled)]


class Attempted:
    """One attempt under way."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.cancelled = False

    def result(self) -> Awaitable[Outcome]:
        return self.future

    def stop(self, reason: str) -> None:
        if not self.future.done():
            self.future.set_result(Cancelled(self.call.step_id, reason, 0.1, model=self.call.model))

    def cancel(self) -> None:
        self.cancelled = True
        self.future.cancel()


class Stage:
    """Begins attempts; the test answers them."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[Attempted] = asyncio.Queue()
        self.memory = Memory()

    async def begin(self, call: Call) -> Attempted:
        attempt = Attempted(call)
        self.begun.put_nowait(attempt)
        return attempt

    def call(self, *models: str, retry: Retry | None = None, hedge: Hedge | None = None) -> Attempts:
        plan = Plan(models, retry or Retry(2, 0.0, 1.0), hedge, HedgeAllowance())
        return Attempts(CALL, plan, self.begin, Recorder(self.memory, "run_1"))


def yes(attempt: Attempted) -> None:
    attempt.future.set_result(
        Answered(attempt.call.step_id, completion("yes"), 0.1, model=attempt.call.model)
    )


def no(attempt: Attempted, *, retryable: bool = True) -> None:
    failure = Failure("upstream_busy" if retryable else "upstream_refused", "no", retryable)
    attempt.future.set_result(Failed(attempt.call.step_id, failure, 0.1, model=attempt.call.model))


async def test_the_first_answer_is_the_outcome_and_leaves_no_sub_step() -> None:
    stage = Stage()
    call = stage.call("first")
    yes(await stage.begun.get())
    outcome = await call.result()
    assert isinstance(outcome, Answered)
    assert stage.memory.events == []


async def test_a_failed_attempt_is_recorded_below_the_call_and_tried_again_as_a_flight_of_its_own() -> None:
    stage = Stage()
    call = stage.call("first")
    no(await stage.begun.get())
    second = await stage.begun.get()
    assert second.call.step_id == "review.1/a#2"
    yes(second)
    outcome = await call.result()
    assert outcome.step_id == "review.1/a"
    started, failed = stage.memory.events
    assert isinstance(started, StepStarted)
    assert (started.parent_id, started.step_kind) == ("review.1/a", "attempt")
    assert isinstance(failed, StepFailed)


async def test_a_refused_call_goes_to_the_fallback() -> None:
    stage = Stage()
    call = stage.call("first", "second")
    no(await stage.begun.get(), retryable=False)
    fallback = await stage.begun.get()
    assert fallback.call.model == "second"
    yes(fallback)
    outcome = await call.result()
    assert outcome.model == "second"
    assert outcome.tried == (Tried("first", "upstream_refused"),)


async def test_when_nothing_is_left_the_last_failure_is_the_outcome() -> None:
    stage = Stage()
    call = stage.call("first", "second", retry=Retry(1, 0.0, 1.0))
    no(await stage.begun.get())
    no(await stage.begun.get(), retryable=False)
    outcome = await call.result()
    assert isinstance(outcome, Failed)
    assert outcome.failure.code == "upstream_refused"
    assert len(stage.memory.ended()) == 1


async def test_a_lost_process_is_an_attempt_that_failed() -> None:
    stage = Stage()
    call = stage.call("first")
    (await stage.begun.get()).future.set_exception(LaneLost())
    yes(await stage.begun.get())
    assert isinstance(await call.result(), Answered)


async def test_a_stopped_call_begins_nothing_more() -> None:
    stage = Stage()
    call = stage.call("first", retry=Retry(5, 30.0, 60.0))
    no(await stage.begun.get())
    call.stop("straggler")
    outcome = await call.result()
    assert isinstance(outcome, Failed)
    assert stage.begun.empty()


async def test_a_stop_reaches_the_attempt_under_way() -> None:
    stage = Stage()
    call = stage.call("first")
    await stage.begun.get()
    call.stop("straggler")
    outcome = await call.result()
    assert isinstance(outcome, Cancelled)
    assert outcome.reason == "straggler"


async def test_a_hedge_that_answers_first_wins_and_the_slow_copy_is_stopped_and_recorded() -> None:
    stage = Stage()
    call = stage.call("first", "second", hedge=Hedge(0.0))
    slow, copy = await stage.begun.get(), await stage.begun.get()
    assert copy.call.model == "second"
    yes(copy)
    outcome = await call.result()
    assert outcome.model == "second"
    assert slow.future.done()
    (lost,) = stage.memory.ended()
    assert isinstance(lost, StepCancelled)
    assert lost.reason == "hedged"
    assert outcome.tried == (Tried("first", "hedged", hedged=True),)


async def test_a_hedge_that_fails_leaves_the_race_to_the_first() -> None:
    stage = Stage()
    call = stage.call("first", "second", hedge=Hedge(0.0))
    slow, copy = await stage.begun.get(), await stage.begun.get()
    no(copy)
    await asyncio.sleep(0)
    yes(slow)
    outcome = await call.result()
    assert outcome.model == "first"
    (lost,) = stage.memory.ended()
    assert isinstance(lost, StepFailed)


async def test_giving_a_call_up_gives_its_attempt_up() -> None:
    stage = Stage()
    call = stage.call("first")
    attempt = await stage.begun.get()
    call.cancel()
    await asyncio.sleep(0)
    assert attempt.cancelled
