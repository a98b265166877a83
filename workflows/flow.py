"""Flows: a workflow's logic as generators that yield steps and are sent their outcomes (sans I/O).

A flow never waits, never looks at a clock and never calls a model: it yields a step, a driver performs it and
sends back what came of it. Fan-out, journaling, replay, tracing and cancellation are therefore written once, in
the drivers (`actors.conversation`, `actors.coordinator`). The shape is that of httpx's `Auth.auth_flow`.

Between two yields a flow must be deterministic: after a crash it is rebuilt from its request and sent the
recorded outcomes again. A flow's test is ``next(flow)`` and ``flow.send(outcome)``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from workflows.errors import Failure
from workflows.messages import ChatRequest, Completion, ToolCall, ToolResult, Usage
from workflows.policy import Allowance, Collect, Spending

T = TypeVar("T")
CallKind = Literal["turn", "branch", "synthesis"]
EndedBy = Literal["all", "quorum", "deadline"]


@dataclass(frozen=True, slots=True)
class Call:
    """One LLM call.

    Attributes:
        step_id: unique in its run and the same on every replay, for example ``problem_review.1/broad``.
        parent_id: the step that this one belongs to.
        kind: ``turn`` (of the main LLM, streamed to the client), ``branch`` or ``synthesis``.
        name: for people.
        model: the alias in the workflow's `models`.
        request: what the model is asked.
        timeout: seconds; None leaves it to the panel's deadline or the client.
        resources: Ray resources of a branch that wants a process of its own.
    """

    step_id: str
    parent_id: str
    kind: CallKind
    name: str
    model: str
    request: ChatRequest
    timeout: float | None = None
    resources: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class FanOut:
    """Independent calls at once; the outcome is a `Collected`."""

    calls: tuple[Call, ...]
    collect: Collect


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One call of a mounted tool.

    Attributes:
        step_id: unique in its run.
        parent_id: the step that this one belongs to.
        tool: the mounted tool's name.
        call: what the main LLM wrote, or what was made for it when the call is forced.
        conversation: what the client and the main LLM have said so far.
        allowance: what it may take of the run's limits.
        earlier: calls of the same tool that this run has carried out before.
    """

    step_id: str
    parent_id: str
    tool: str
    call: ToolCall
    conversation: ChatRequest
    allowance: Allowance = Allowance()
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class UseTools:
    """Mounted tools that the main LLM called in one turn; the outcome is their `ToolOutcome`s, in order."""

    uses: tuple[ToolUse, ...]


@dataclass(frozen=True, slots=True)
class Reckon:
    """How much has the run used so far? The outcome is a `RunSoFar`."""


@dataclass(frozen=True, slots=True)
class RunSoFar:
    """What a run has used, and the seconds since it began."""

    spent: Spending = Spending()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt of a call that was not its last: it failed, or lost the race against a copy of itself.

    Attributes:
        model: the alias that was asked.
        ended: a failure's code, or ``hedged`` for the slower of two copies.
        usage: what it used, where that is known; estimated for one that was stopped.
        hedged: whether it ran beside a copy of itself.
    """

    model: str
    ended: str
    usage: Usage = Usage()
    hedged: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that ended with an answer. Times are seconds since the call began.

    `model` is the alias that was asked at last, `tried` what was attempted before or beside.
    """

    step_id: str
    completion: Completion
    seconds: float
    first_token_seconds: float | None = None
    model: str = ""
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that ended without an answer. What it used up until then, where that is known."""

    step_id: str
    failure: Failure
    seconds: float
    usage: Usage = Usage()
    model: str = ""
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A call that was stopped. `reason` is one of straggler, deadline, client, shutdown."""

    step_id: str
    reason: str
    seconds: float
    usage: Usage = Usage()
    model: str = ""
    tried: tuple[Tried, ...] = ()


Outcome: TypeAlias = Answered | Failed | Cancelled


@dataclass(frozen=True, slots=True)
class Collected:
    """Every outcome of a fan-out, in the order of its calls: started = answered + failed + cancelled.

    `ended_by` says what ended the waiting (see `workflows.collecting`).
    """

    outcomes: tuple[Outcome, ...]
    ended_by: EndedBy

    @property
    def answered(self) -> tuple[Answered, ...]:
        """Those that answered."""
        return tuple(o for o in self.outcomes if isinstance(o, Answered))


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a mounted tool came to.

    Attributes:
        result: for the main LLM.
        status: ran, degraded (fewer answers than wished for, or no synthesis), failed, or skipped.
        usage: tokens of all calls below this tool.
        cost_usd: their cost; None when any price is unknown.
        detail: a JSON object for people and the journal: what was decided and why (for a panel
            `workflows.decisions`).
    """

    result: ToolResult
    status: Literal["ran", "degraded", "failed", "skipped"]
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    detail: dict[str, Any] = field(default_factory=dict)


Step: TypeAlias = Call | FanOut | UseTools | Reckon
Flow: TypeAlias = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    """A flow ended with this value."""

    value: T


def advance(flow: Flow[T], outcome: object = None) -> Step | Returned[T]:
    """Send a flow what its last step came to (None at the beginning); return its next step or its end."""
    try:
        return flow.send(outcome)
    except StopIteration as stop:
        return Returned(stop.value)


def ask(call: Call) -> Flow[Outcome]:
    """Yield one call; return its outcome."""
    outcome: Outcome = yield call
    return outcome


def ask_all(calls: tuple[Call, ...], collect: Collect) -> Flow[Collected]:
    """Yield independent calls at once; return what was collected."""
    collected: Collected = yield FanOut(calls, collect)
    return collected


def use_tools(uses: tuple[ToolUse, ...]) -> Flow[tuple[ToolOutcome, ...]]:
    """Yield mounted tool calls at once; return what they came to, in the same order."""
    outcomes: tuple[ToolOutcome, ...] = yield UseTools(uses)
    return outcomes


def reckon() -> Flow[RunSoFar]:
    """Return what the run has used so far."""
    so_far: RunSoFar = yield Reckon()
    return so_far
