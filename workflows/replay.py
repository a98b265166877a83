"""Where a run stands: pure folds of its events.

`run_view` is everything, `summary_of` one line of a list, `finished_steps` what a resumed run need not pay for
again. The events may come in any order between steps and more than once; only the events of one step must be in
order, as one process writes them. A run that is under way, or was cut off, is as good as any: nothing here raises.

This module knows nothing about storage, clocks and screens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from workflows.answer import PanelStatus
from workflows.errors import Failure
from workflows.events import (
    ENDINGS,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFinished,
)
from workflows.messages import ChatRequest, Usage
from workflows.track import CONTAINERS, ShownKind, StepNode, StepStatus, StepView, spent, track, tree

__all__ = [
    "CONTAINERS",
    "STRENGTH",
    "Ending",
    "RunStatus",
    "RunSummary",
    "RunView",
    "ShownKind",
    "StepNode",
    "StepStatus",
    "StepView",
    "ending",
    "finished_steps",
    "run_view",
    "summary_of",
    "to_json",
]

RunStatus = Literal["running", "ok", "failed", "cancelled"]
Ending: TypeAlias = RunFinished | RunFailed | RunCancelled

STRENGTH: dict[RunStatus, int] = {"running": 0, "cancelled": 1, "failed": 2, "ok": 3}
"""Which ending counts when a run has several: the strongest; of equals the first. A resumption undoes all but `ok`."""

ENDED_AS: Mapping[type[Ending], RunStatus] = {
    RunFinished: "ok",
    RunFailed: "failed",
    RunCancelled: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of a list of runs.

    Attributes:
        started_at: Unix time in seconds of the earliest event.
        ended_at: Unix time in seconds; None while the run is under way.
        input_tokens: of all steps together; so are `output_tokens`.
        cost_usd: of all steps together; None when any call's price is unknown.
        panel: what became of the panel; None until the run is finished.
        error: why the run failed.
        kept: whether it goes on without its client.
        driver: the process that answers it, or did so last.
        fingerprint: equal for requests that ask the same.
        resumptions: how often it was gone on with after its process or its answer was lost.
    """

    run_id: str
    virtual_model: str = ""
    protocol: str = ""
    status: RunStatus = "running"
    started_at: float = 0.0
    ended_at: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    panel: PanelStatus | None = None
    error: Failure | None = None
    trace_id: str = ""
    kept: bool = False
    driver: str = ""
    fingerprint: str = ""
    resumptions: int = 0

    @property
    def seconds(self) -> float | None:
        """How long the run took; None while it is under way."""
        return None if self.ended_at is None else max(0.0, self.ended_at - self.started_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView(RunSummary):
    """A run as it stands: its summary, its contents, and its steps as a flat list in start order.

    Attributes:
        request: what the client sent; None when the run's start is not in the events.
        answer: the visible answer; empty until the run is finished.
        dropped: what the door left out of the request: names of fields.
        usage: the size of the client's own conversation.
        total_usage: of all steps together.
        reason: why the run was cancelled.
    """

    request: ChatRequest | None = None
    dropped: tuple[str, ...] = ()
    answer: str = ""
    finish_reason: str = ""
    usage: Usage = Usage()
    total_usage: Usage = Usage()
    reason: str = ""
    workflow_hash: str = ""
    workflow_version: int = 0
    steps: tuple[StepView, ...] = ()

    def tree(self) -> tuple[StepNode, ...]:
        """The steps as a tree. A step whose parent is unknown stands at the top."""
        return tree(self.steps)


def run_view(events: Iterable[Event]) -> RunView:
    """Everything that the events say about their run."""
    known = _once(events)
    summary = summary_of(known)
    start, end = _start(known), ending(known)
    finished = end if isinstance(end, RunFinished) else None
    return RunView(
        **{each.name: getattr(summary, each.name) for each in fields(summary)},
        request=start.request if start else None,
        dropped=start.dropped if start else (),
        answer=finished.answer if finished else "",
        finish_reason=finished.finish_reason if finished else "",
        usage=finished.usage if finished else Usage(),
        total_usage=finished.total_usage if finished else spent(known)[0],
        reason=end.reason if isinstance(end, RunCancelled) else "",
        workflow_hash=start.workflow_hash if start else "",
        workflow_version=start.workflow_version if start else 0,
        steps=track(known, over=end is not None, answered=finished is not None),
    )


def summary_of(events: Iterable[Event]) -> RunSummary:
    """The line that a list of runs shows for this run.

    A finished run says itself what it took; of any other it is the sum of what its steps used so far.
    """
    known = _once(events)
    start, end = _start(known), ending(known)
    finished = end if isinstance(end, RunFinished) else None
    used, cost = (finished.total_usage, finished.cost_usd) if finished else spent(known)
    starts = [event for event in known if isinstance(event, RunStarted)]
    resumed = [event for event in known if isinstance(event, RunResumed)]
    return RunSummary(
        run_id=known[0].run_id if known else "",
        virtual_model=start.virtual_model if start else "",
        protocol=start.protocol if start else "",
        status=ENDED_AS[type(end)] if end else "running",
        started_at=min((event.at for event in known), default=0.0),
        ended_at=end.at if end else None,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost_usd=cost,
        panel=finished.panel if finished else None,
        error=end.failure if isinstance(end, RunFailed) else None,
        trace_id=start.trace_id if start else "",
        kept=any(each.kept for each in starts),
        driver=resumed[-1].driver if resumed else next((each.driver for each in starts if each.driver), ""),
        fingerprint=next((each.fingerprint for each in starts if each.fingerprint), ""),
        resumptions=len(resumed),
    )


def ending(events: Iterable[Event]) -> Ending | None:
    """What ended the run, whose events come in their order; None while it is under way."""
    found: Ending | None = None
    for event in events:
        if isinstance(event, RunResumed) and not isinstance(found, RunFinished):
            found = None
        if isinstance(event, ENDINGS) and _strength(event) > _strength(found):
            found = event
    return found


def finished_steps(events: Iterable[Event]) -> dict[str, StepFinished]:
    """The results that a resumed run need not pay for again, by step id.

    A step whose contents were kept out of the journal is not among them: its result is gone.
    """
    results: dict[str, StepFinished] = {}
    for event in events:
        if isinstance(event, StepFinished) and not event.redacted:
            results.setdefault(event.step_id, event)
    return results


def to_json(view: RunView) -> dict[str, Any]:
    """The run as one JSON object, for `demo --json`, `runs show --json` and the API."""
    return {
        "run_id": view.run_id,
        "virtual_model": view.virtual_model,
        "protocol": view.protocol,
        "status": view.status,
        "answer": view.answer,
        "finish_reason": view.finish_reason,
        "usage": asdict(view.usage),
        "total_usage": asdict(view.total_usage),
        "cost_usd": view.cost_usd,
        "panel": view.panel,
        "dropped": list(view.dropped),
        "error": asdict(view.error) if view.error else None,
        "reason": view.reason,
        "started_at": view.started_at,
        "ended_at": view.ended_at,
        "seconds": view.seconds,
        "trace_id": view.trace_id,
        "workflow_hash": view.workflow_hash,
        "workflow_version": view.workflow_version,
        "steps": [_step_json(step) for step in view.steps],
    }


def _step_json(step: StepView) -> dict[str, Any]:
    return {
        "name": step.name,
        "kind": step.kind,
        "model": step.model,
        "status": step.status,
        "seconds": step.seconds,
        "first_token_seconds": step.first_token_seconds,
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
        "cost_usd": step.cost_usd,
        "dropped": list(step.dropped),
        "error": asdict(step.failure) if step.failure else None,
        "reason": step.reason,
        "output": step.output,
        "detail": step.detail,
        "started_at": step.started_at,
        "attempts": step.attempts,
        "models_tried": list(step.models_tried),
        "contribution": step.contribution,
        "step_id": step.step_id,
        "parent_id": step.parent_id,
    }


def _once(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events without repetitions; of two with one id the first counts, as in the journal."""
    by_id: dict[str, Event] = {}
    for event in events:
        by_id.setdefault(event.id, event)
    return tuple(by_id.values())


def _start(events: Sequence[Event]) -> RunStarted | None:
    return next((event for event in events if isinstance(event, RunStarted)), None)


def _strength(ending: Ending | None) -> int:
    return STRENGTH[ENDED_AS[type(ending)] if ending else "running"]
