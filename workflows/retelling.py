"""An answer told again from its run's events: what the client saw, in coarser pieces. A pure fold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

from workflows.answer import AnswerEvent, AnswerFailed, AnswerFinished, AnswerStarted
from workflows.errors import Failure
from workflows.events import (
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from workflows.messages import Completion, Delta, FinishReason
from workflows.relay import Relay, retold
from workflows.replay import ending

CANCELLED = Failure("cancelled", "The run was cancelled.")
"""What whoever reads a cancelled run's answer gets instead of it."""


def told_again(events: Iterable[Event]) -> Iterator[AnswerEvent]:
    """The answer's events as far as the run got: its start, the turns that are over, and its end if it has one."""
    known = tuple(events)
    start = next((event for event in known if isinstance(event, RunStarted)), None)
    if start is None:
        return
    yield AnswerStarted(run_id=start.run_id, model=start.virtual_model, created=int(start.at))
    tools = {e.call.name for e in known if isinstance(e, StepStarted) and e.step_kind == "tool" and e.call}
    relay = Relay(start.run_id, frozenset(tools), parallel=start.request.parallel_tool_calls is not False)
    turns = _turns(known)
    for completion in turns:
        yield from _deltas(relay, completion)
    match ending(known):
        case RunFinished() as end:
            yield AnswerFinished(
                message=relay.message,
                finish_reason=cast("FinishReason", end.finish_reason),
                usage=end.usage,
                total_usage=end.total_usage,
                cost_usd=end.cost_usd,
                panel=end.panel,
                stop_sequence=turns[-1].stop_sequence if turns else "",
            )
        case RunFailed(failure=failure):
            yield AnswerFailed(failure=failure)
        case RunCancelled(reason=reason):
            yield AnswerFailed(failure=replace(CANCELLED, retryable=reason != "client"))
        case None:
            return


def _turns(events: Iterable[Event]) -> tuple[Completion, ...]:
    """The main LLM's answers, each turn's last: a later life may have done one anew."""
    asked: set[str] = set()
    found: dict[str, Completion] = {}
    for event in events:
        if isinstance(event, StepStarted) and event.step_kind == "turn":
            asked.add(event.step_id)
        if isinstance(event, StepFinished) and event.step_id in asked and event.completion:
            found[event.step_id] = event.completion
    return tuple(found.values())


def _deltas(relay: Relay, completion: Completion) -> Iterator[Delta]:
    for item in retold(completion):
        yield from relay.feed(item)
