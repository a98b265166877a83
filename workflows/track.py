"""The Track of a run: its steps, folded from its events. `workflows.replay` is the door to this.

What a step used stands in the event that ended it, once per attempt. Containers (the main LLM's conversation,
mounted tools) use nothing themselves: they show the sum of the steps below them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum
from typing import Any, Literal, TypeAlias

from workflows.errors import Failure
from workflows.events import (
    Event,
    PanelCredited,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepKind,
    StepStarted,
)
from workflows.messages import ChatRequest, Completion, ToolCall, ToolResult, Usage

StepStatus = Literal["running", "ok", "degraded", "failed", "cancelled", "skipped"]
ShownKind = Literal["main", "turn", "answer", "tool", "branch", "synthesis", "attempt"]
"""A step's kind as people see it: the last turn of a finished run is its `answer`."""

StepEvent: TypeAlias = StepStarted | StepFinished | StepFailed | StepCancelled

CONTAINERS = frozenset({"main", "tool"})
"""Kinds of steps that hold others and call no model themselves."""

_KIND_ORDER: tuple[StepKind, ...] = ("main", "turn", "tool", "branch", "synthesis", "attempt")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step as it stands.

    Attributes:
        model: what really answered; the workflow's alias until then.
        started_at: Unix time in seconds.
        seconds: None while the step is under way, and when that is not known.
        usage: what all attempts used; for a container what the steps below it used.
        cost_usd: the same in US dollars; None when any call's price is unknown.
        failure: of a failed step.
        reason: of a cancelled step: straggler, deadline, client, shutdown; `unknown` when its run ended without
            a word about it.
        attempts: how often a model was asked (retries, fallbacks and copies of a slow call count), for a container
            how often it was begun; 0 when its start is not in the events.
        models_tried: who was asked, in order, `model` last; empty for a container.
        contribution: of a tool its panel's whole attribution; of a branch its own line in it (shares of the
            synthesis and of the answer, uniqueness); empty until that is worked out.
    """

    step_id: str
    parent_id: str
    kind: ShownKind
    name: str
    model: str = ""
    status: StepStatus = "running"
    started_at: float = 0.0
    seconds: float | None = None
    first_token_seconds: float | None = None
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    failure: Failure | None = None
    reason: str = ""
    request: ChatRequest | None = None
    call: ToolCall | None = None
    completion: Completion | None = None
    result: ToolResult | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    attempts: int = 1
    models_tried: tuple[str, ...] = ()
    contribution: dict[str, Any] = field(default_factory=dict)

    @property
    def input_tokens(self) -> int:
        """What the models read."""
        return self.usage.input_tokens

    @property
    def output_tokens(self) -> int:
        """What the models wrote."""
        return self.usage.output_tokens

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the model's client left out of the request."""
        return self.completion.dropped if self.completion is not None else ()

    @property
    def output(self) -> str:
        """What the step said, as text: an LLM's answer or a tool's result."""
        if self.completion is not None:
            return self.completion.message.text
        return self.result.text if self.result is not None else ""


@dataclass(frozen=True, slots=True)
class StepNode:
    """A step with the steps below it, in start order."""

    step: StepView
    children: tuple[StepNode, ...]


def track(events: Sequence[Event], *, over: bool, answered: bool) -> tuple[StepView, ...]:
    """The steps in start order.

    Args:
        events: of one run, each once.
        over: whether the run has ended; steps that are still under way then were cut off.
        answered: whether it ended with an answer; its last turn is then called so.
    """
    stories: defaultdict[str, list[StepEvent]] = defaultdict(list)
    for event in events:
        if isinstance(event, StepStarted | StepFinished | StepFailed | StepCancelled):
            stories[event.step_id].append(event)
    own = {step_id: _step(story, over=over) for step_id, story in stories.items()}
    steps = sorted(_credited(_with_descendants(own), events), key=_start_order)
    return _answer_named(steps) if answered else tuple(steps)


def tree(steps: Sequence[StepView]) -> tuple[StepNode, ...]:
    """The steps as a tree. A step whose parent is unknown stands at the top."""
    known = {step.step_id for step in steps}
    below: defaultdict[str, list[StepView]] = defaultdict(list)
    for step in steps:
        below[step.parent_id if step.parent_id in known else ""].append(step)

    def nodes(parent_id: str) -> tuple[StepNode, ...]:
        return tuple(StepNode(step, nodes(step.step_id)) for step in below[parent_id])

    return nodes("")


def spent(events: Iterable[Event]) -> tuple[Usage, float | None]:
    """What the steps in these events used together, with the cost: None when any call's price is unknown."""
    used = [_used(event) for event in events]
    return sum((usage for usage, _ in used), Usage()), _total(cost for _, cost in used)


def _used(event: Event) -> tuple[Usage, float | None]:
    """What this event says that its step used, and the cost of it."""
    match event:
        case StepFinished(completion=Completion(usage=usage, cost_usd=cost)):
            return usage, cost
        case StepFailed(usage=usage) | StepCancelled(usage=usage) if usage != Usage():
            return usage, event.cost_usd
        case _:
            return Usage(), 0.0


def _total(costs: Iterable[float | None]) -> float | None:
    """The sum of costs: unknown as soon as one is. `fsum`, as the order of the events must not matter."""
    known = []
    for cost in costs:
        if cost is None:
            return None
        known.append(cost)
    return fsum(known)


def _step(story: Sequence[StepEvent], *, over: bool) -> StepView:
    """One step from its own events, in order. A result stays the result, whatever comes after it."""
    result = next((event for event in story if isinstance(event, StepFinished)), None)
    step = _ended(_begun(story), result or story[-1])
    if over and step.status == "running":
        step = replace(step, status="cancelled", reason="unknown")
    usage, cost = spent(story)
    return replace(step, usage=usage, cost_usd=cost)


def _begun(story: Sequence[StepEvent]) -> StepView:
    """The step as its starts tell it: begun with the first, asked as in the last."""
    starts = [event for event in story if isinstance(event, StepStarted)]
    if not starts:
        return _guessed(story[0])
    latest = starts[-1]
    return StepView(
        step_id=latest.step_id,
        parent_id=latest.parent_id,
        kind=latest.step_kind,
        name=latest.name,
        model=latest.model,
        started_at=starts[0].at,
        request=latest.request,
        call=latest.call,
        attempts=len(starts),
    )


def _guessed(event: StepEvent) -> StepView:
    """A step whose start is not known, as far as its id tells: ``main``, ``turn.1``, ``tool.1``, ``tool.1/branch``."""
    parent, _, name = event.step_id.rpartition("/")
    kind: ShownKind = "synthesis" if name == "synthesis" else "branch"
    if not parent:
        kind = "main" if name == "main" else "turn" if name.startswith("turn.") else "tool"
        parent = "" if name == "main" else "main"
    began = event.at if isinstance(event, StepStarted) else event.at - event.seconds
    return StepView(
        step_id=event.step_id, parent_id=parent, kind=kind, name=name, started_at=began, attempts=0
    )


def _ended(step: StepView, event: StepEvent) -> StepView:
    """The step after the event that says how it stands."""
    if isinstance(event, StepStarted):
        return step
    step = replace(
        step, model=event.model or step.model, seconds=event.seconds or max(0.0, event.at - step.started_at)
    )
    match event:
        case StepFinished():
            return replace(
                step,
                status=event.status,
                first_token_seconds=event.first_token_seconds,
                completion=event.completion,
                result=event.result,
                detail=event.detail,
            )
        case StepFailed(failure=failure):
            return replace(step, status="failed", failure=failure)
        case StepCancelled(reason=reason):
            return replace(step, status="cancelled", reason=reason)


def _with_descendants(own: Mapping[str, StepView]) -> Iterator[StepView]:
    """Each step with what the steps below it used added to its own, and with who was asked before it."""
    below: defaultdict[str, list[StepView]] = defaultdict(list)
    for step in own.values():
        for ancestor_id in _ancestors(step, own):
            below[ancestor_id].append(step)
    for step in own.values():
        family = (step, *below[step.step_id])
        calls = step.kind not in CONTAINERS
        tries = [member for member in below[step.step_id] if calls and member.kind == "attempt"]
        asked = (*sorted(tries, key=_start_order), step) if calls else ()
        yield replace(
            step,
            attempts=step.attempts + len(tries),
            models_tried=tuple(dict.fromkeys(member.model for member in asked if member.model)),
            usage=sum((member.usage for member in family), Usage()),
            cost_usd=_total(member.cost_usd for member in family),
        )


def _credited(steps: Iterable[StepView], events: Iterable[Event]) -> Iterator[StepView]:
    """The steps with what was worked out about their contributions."""
    found = {event.step_id: event.attribution for event in events if isinstance(event, PanelCredited)}
    lines = {
        (tool_id, line["branch"]): line
        for tool_id, attribution in found.items()
        for line in attribution.get("contributions", ())
    }
    for step in steps:
        known = found.get(step.step_id) or lines.get((step.parent_id, step.name))
        yield replace(step, contribution=known) if known else step


def _ancestors(step: StepView, steps: Mapping[str, StepView]) -> list[str]:
    """The known steps above this one, nearest first."""
    found: list[str] = []
    while (parent := steps.get(step.parent_id)) and parent.step_id not in found:
        found.append(parent.step_id)
        step = parent
    return found


def _start_order(step: StepView) -> tuple[float, int, list[str | int]]:
    """By time; steps of one moment outer ones first, and ``turn.10`` behind ``turn.9``."""
    kinds: Sequence[ShownKind] = _KIND_ORDER
    parts = [int(part) if part.isdecimal() else part for part in _DIGITS.split(step.step_id)]
    return step.started_at, kinds.index(step.kind), parts


def _answer_named(steps: Sequence[StepView]) -> tuple[StepView, ...]:
    """The steps of a finished run: its last turn is the answer."""
    last = max((index for index, step in enumerate(steps) if step.kind == "turn"), default=None)
    return tuple(
        replace(step, kind="answer", name="answer") if index == last else step
        for index, step in enumerate(steps)
    )
