"""What earlier lives of a run left behind: a pure fold of its events.

A run whose process died is driven again from its beginning: its flow yields the same steps, and those that are
finished here are answered from the journal. A result is used again only when the step asks exactly what was asked then;
a workflow whose code decides otherwise now is not stopped, its changed steps are simply done anew. A step that had
begun and of which nothing more is known is done once more, and its lost attempt is recorded as `unknown`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from workflows.errors import Failure
from workflows.events import (
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepStarted,
)
from workflows.flow import Answered, Call, ToolOutcome, ToolUse, Tried
from workflows.messages import ChatRequest, ToolCall, Usage
from workflows.track import spent

StepEnd = StepFinished | StepFailed | StepCancelled


@dataclass(frozen=True, slots=True)
class Known:
    """One step, as far as earlier lives got with it.

    Attributes:
        asked: what the model or the tool was asked.
        finished: its result, when there is one that can be used again.
        under_way: it had begun, and nothing says what became of it.
        failures: of its attempts that were followed by another, in order, with the alias that was asked.
        tried: the same attempts, and those that lost against a copy.
        used: tokens and cost of everything below it: its attempts, or a tool's calls.
    """

    asked: ChatRequest | ToolCall | None = None
    finished: StepFinished | None = None
    under_way: bool = False
    failures: tuple[tuple[str, Failure], ...] = ()
    tried: tuple[Tried, ...] = ()
    used: tuple[Usage, float | None] = (Usage(), 0.0)


@dataclass(frozen=True, slots=True)
class LostLife:
    """The first life of a run, of which nobody could say that it was over.

    Attributes:
        traceparent: the W3C context of the request that it answered.
        at: Unix time in seconds at which it began.
    """

    traceparent: str
    at: float


@dataclass(frozen=True, slots=True)
class Earlier:
    """Everything that earlier lives of a run left.

    Attributes:
        lives: how many there were; 0 for a run that begins.
        seconds: how long they lasted together.
        first_trace: the id of the trace in which the run began; empty when nobody traced it.
        lost: the life before, when that was the first, somebody traced it, and it was lost with its process.
        steps: by step id.
    """

    lives: int = 0
    seconds: float = 0.0
    first_trace: str = ""
    lost: LostLife | None = None
    steps: Mapping[str, Known] = field(default_factory=dict)

    def known(self, step_id: str) -> Known:
        """What is known of a step; nothing of one that had not begun."""
        return self.steps.get(step_id, Known())

    def answered(self, call: Call) -> Answered | None:
        """The answer to this call; None when there is none, or to another question."""
        known = self.known(call.step_id)
        found = known.finished
        if found is None or found.completion is None or known.asked != call.request:
            return None
        return Answered(
            call.step_id, found.completion, found.seconds, found.first_token_seconds, call.model, known.tried
        )

    def carried_out(self, use: ToolUse) -> ToolOutcome | None:
        """What came of this use of a tool; None when nothing did, or of another use, or nobody answered."""
        known = self.known(use.step_id)
        found = known.finished
        if found is None or found.result is None or known.asked != use.call:
            return None
        status = found.detail.get("status", "ran")
        if status == "failed":
            return None
        usage, cost = known.used
        return ToolOutcome(found.result, status, usage, cost, dict(found.detail))


def earlier_lives(events: Iterable[Event]) -> Earlier:
    """What these events, all those of one run, leave for its next life."""
    told = tuple(events)
    start = next((event for event in told if isinstance(event, RunStarted)), None)
    ats: list[list[float]] = [[]]
    for event in told:
        if isinstance(event, RunResumed):
            ats.append([])
        ats[-1].append(event.at)
    # The resumption that begins the life which asks is the last, and has lasted no time yet.
    lives = len(ats) - 1
    return Earlier(
        lives=lives,
        seconds=sum(max(life) - min(life) for life in ats if life),
        first_trace=start.trace_id if start else "",
        lost=_lost(start, told) if lives == 1 else None,
        steps=_steps(told),
    )


def _lost(start: RunStarted | None, told: Sequence[Event]) -> LostLife | None:
    is_over = any(isinstance(event, RunFailed | RunCancelled | RunFinished) for event in told)
    if start is None or not start.traceparent or is_over:
        return None
    return LostLife(start.traceparent, start.at)


def _steps(events: Sequence[Event]) -> dict[str, Known]:
    stories: defaultdict[str, list[StepStarted | StepEnd]] = defaultdict(list)
    for event in events:
        if isinstance(event, StepStarted | StepEnd):
            stories[event.step_id].append(event)
    below: defaultdict[str, list[StepStarted | StepEnd]] = defaultdict(list)
    for step_id, story in stories.items():
        parent, _, _ = step_id.rpartition("/")
        while parent:
            below[parent] += story
            parent, _, _ = parent.rpartition("/")
    return {step_id: _known(step_id, story, below[step_id]) for step_id, story in stories.items()}


def _known(
    step_id: str, story: Sequence[StepStarted | StepEnd], below: Sequence[StepStarted | StepEnd]
) -> Known:
    asked: ChatRequest | ToolCall | None = None
    answers: ChatRequest | ToolCall | None = None
    finished: StepFinished | None = None
    for event in story:
        if isinstance(event, StepStarted):
            asked = event.request or event.call
        elif isinstance(event, StepFinished) and not event.redacted:
            answers, finished = asked, event
    prefix = f"{step_id}/attempt."
    ends = [e for e in below if isinstance(e, StepEnd) and e.step_id.startswith(prefix)]
    given_up = [e for e in ends if isinstance(e, StepFailed) and e.step_id.removeprefix(prefix).isdecimal()]
    return Known(
        asked=answers if finished else asked,
        finished=finished,
        under_way=isinstance(story[-1], StepStarted),
        failures=tuple((event.model, event.failure) for event in given_up),
        tried=tuple(_tried(event) for event in ends),
        used=spent(below),
    )


def _tried(event: StepEnd) -> Tried:
    hedged = event.step_id.endswith(".lost")
    match event:
        case StepFinished():
            usage = event.completion.usage if event.completion else Usage()
            return Tried(event.model, "hedged", usage, hedged)
        case StepFailed(failure=failure):
            return Tried(event.model, failure.code, event.usage, hedged)
        case StepCancelled(reason=reason):
            return Tried(event.model, reason, event.usage, hedged)
