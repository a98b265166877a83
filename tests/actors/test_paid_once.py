"""Paid once: nothing that costs money begins before what it rests on is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Literal, cast

import pytest

from actors.collect import Pending
from actors.conversation import Conversations
from actors.models.factory import ModelFactory
from actors.orders import CallOrder, PanelOrder
from actors.panel_run import PanelRun, Resumption, broken
from actors.quotas import Desk
from actors.recorder import Recorder
from actors.turnstile import Turnstile
from actors.voices import Voices
from tests.workflows.flows import completion, run_request, workflow
from workflows.answer import AnswerFinished
from workflows.errors import Failure
from workflows.events import Event, StepFinished
from workflows.flow import Answered, Outcome, ToolOutcome, ToolUse
from workflows.messages import ToolCall
from workflows.policy import HedgeAllowance
from workflows.spec import WorkflowSpec

TASK = ToolCall("call_1", "review", '{"task": "the plan"}')


class Lagging:
    """A journal that commits what it is told when somebody waits for it, and knows what it has not committed."""

    driver = "here"

    def __init__(self) -> None:
        self.waiting: list[Event] = []
        self.rested_on: list[Event] = []

    async def append(self, events: Sequence[Event]) -> None:
        self.append_soon(events)
        await asyncio.sleep(0)
        self.waiting.clear()

    def append_soon(self, events: Sequence[Event]) -> None:
        self.waiting += events

    def used(self) -> None:
        """Somebody pays for a call, or answers: note the outcomes that would be paid again after a crash now."""
        self.rested_on += [event for event in self.waiting if isinstance(event, StepFinished)]


class Answering:
    """A call that has been answered already."""

    def __init__(self, order: CallOrder) -> None:
        self._order = order

    async def result(self) -> Outcome:
        call = self._order.call
        return Answered(call.step_id, completion(f"{call.name} says yes"), 0.1, model=call.model)

    def stop(self, reason: str) -> None:
        """Too late."""

    def cancel(self) -> None:
        """Too late."""


class Lanes:
    """Answers at once, and remembers who was asked."""

    def __init__(self, journal: Lagging) -> None:
        self._journal = journal
        self.asked: list[str] = []

    async def order(self, order: CallOrder) -> Pending:
        self._journal.used()
        self.asked.append(order.call.model)
        return Answering(order)


class Panels:
    """A panel that cannot be carried out."""

    def __init__(self, journal: Lagging) -> None:
        self._journal = journal
        self.convened = 0
        self.unrecorded: list[Event] = []

    async def convene(self, order: PanelOrder) -> ToolOutcome:
        self._journal.used()
        self.convened += 1
        self.unrecorded += self._journal.waiting
        return broken(order.use.call.id, Failure("internal_error", "no"))

    def follow(self, run_id: str, step_id: str) -> AsyncGenerator[str, None]:
        raise NotImplementedError


class Nobody:
    """Credits nothing."""

    def credit(self, run_id: str, traceparent: str) -> None:
        """Do nothing."""


async def test_a_panels_steps_are_committed_before_the_next_is_paid_and_before_its_result_is_used() -> None:
    journal = Lagging()
    lanes = Lanes(journal)
    use = ToolUse("review.1", "main", "review", TASK, run_request().request)
    order = PanelOrder("run_1", use, workflow(), seed=1)
    outcome = await PanelRun(order, lanes, Recorder(journal, "run_1"), Resumption(), HedgeAllowance()).run()
    journal.used()
    assert outcome.status == "degraded"  # the judge said nothing that can be parsed, and was asked again
    assert lanes.asked == ["a", "b", "c", "judge", "judge"]
    assert journal.rested_on == []


def scripted() -> WorkflowSpec:
    told = workflow().model_dump(exclude_defaults=True)
    call = {"name": "review", "arguments": {"task": "the plan"}}
    told["models"]["main"] = {
        "provider": "scripted",
        "script": [
            {"match": {"has_result": True}, "answer": "It is sound."},
            {"match": {"has_tool": "review"}, "tool_calls": [call]},
        ],
    }
    return WorkflowSpec.model_validate(told)


async def nowhere() -> str:
    raise NotImplementedError


def no_desk() -> Desk:
    raise NotImplementedError


@pytest.mark.parametrize("panel", ["auto", "always"])
async def test_what_came_before_is_committed_when_a_panel_is_paid_and_when_an_answer_ends(
    panel: Literal["auto", "always"],
) -> None:
    journal = Lagging()
    panels, models, spec = Panels(journal), ModelFactory(lambda _: None, nowhere), scripted()
    voices = Voices(spec, models, Turnstile(no_desk))
    home = Conversations(spec, voices, panels, Nobody(), cast("Any", journal))
    async with aclosing(home.answer(run_request(panel=panel))) as answer:
        told = [event async for event in answer]
    journal.used()
    assert panels.convened == 1
    assert panels.unrecorded == []
    assert isinstance(told[-1], AnswerFinished)
    assert journal.rested_on == []
    assert journal.waiting == []
    await models.aclose()
