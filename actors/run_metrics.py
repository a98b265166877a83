"""What one run's events say in figures: the only place that turns a run into metrics.

A run's events arise in two processes: its own, its turns and its end where the client is answered, its panels' at a
coordinator. Each has a `RunMeter` and counts what it sees, so nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cluster.instruments import (
    BRANCH_DURATION,
    BRANCHES_CANCELLED,
    COST,
    HEDGES,
    PANEL_DURATION,
    PANEL_WAIT,
    PANELS,
    RETRIES,
    RUN_DURATION,
    RUNS,
    SERVER_FIRST_TOKEN,
    TOKENS,
    Instrument,
)
from workflows.events import (
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepStarted,
)
from workflows.messages import Usage
from workflows.replay import ENDED_AS
from workflows.spec import WorkflowSpec

Record = Callable[[Instrument, float, Mapping[str, str]], None]
Ended = StepFinished | StepFailed | StepCancelled
RunEnded = RunFinished | RunFailed | RunCancelled

LOST_RACE = ".lost"
"""How the name of an attempt ends that ran beside a copy of itself and was slower."""


@dataclass(slots=True)
class RunMeter:
    """Measures one run, event by event.

    Attributes:
        spec: its workflow.
        record: takes each figure, as `cluster.metrics.record` does.
    """

    spec: WorkflowSpec
    record: Record
    _begun: RunStarted | None = None
    _steps: dict[str, StepStarted] = field(default_factory=dict)
    _branches_over: dict[str, float] = field(default_factory=dict)
    _first_token_at: float | None = None

    def see(self, event: Event) -> None:
        """Measure what this event says."""
        match event:
            case RunStarted():
                self._begun = event
            case StepStarted():
                self._steps[event.step_id] = event
            case StepFinished() | StepFailed() | StepCancelled():
                self._step_ended(event)
            case RunFinished() | RunFailed() | RunCancelled():
                self._run_ended(event)
            case _:
                return

    def _step_ended(self, event: Ended) -> None:
        step = self._steps.get(event.step_id)
        if step is None:  # a panel whose coordinator never answered: it began in another process
            if isinstance(event, StepFailed):
                self._panel_ended(event, event.step_id.partition(".")[0], "lost")
            return
        match step.step_kind:
            case "tool":
                status = (
                    event.detail.get("status", "ran") if isinstance(event, StepFinished) else _status(event)
                )
                self._panel_ended(event, step.name, str(status))
            case "branch":
                self._branch_ended(event, step)
            case "attempt":
                self._attempt_ended(event, step)
            case "turn" if isinstance(event, StepFinished) and event.first_token_seconds is not None:
                self._first_token_at = event.at - event.seconds + event.first_token_seconds
            case _:
                pass
        self._spent(event, step)

    def _panel_ended(self, event: Ended, tool: str, status: str) -> None:
        labels = self._labels(tool=tool, status=status)
        self.record(PANELS, 1, labels)
        self.record(PANEL_DURATION, event.seconds, labels)
        asked = [
            step.at
            for step in self._steps.values()
            if step.parent_id == event.step_id and step.step_kind == "branch"
        ]
        if asked and isinstance(event, StepFinished) and event.step_id in self._branches_over:
            waited = max(0.0, self._branches_over[event.step_id] - min(asked))
            ended_by = str(event.detail.get("ended_by", ""))
            self.record(PANEL_WAIT, waited, self._labels(tool=tool, ended_by=ended_by))

    def _branch_ended(self, event: Ended, step: StepStarted) -> None:
        self._branches_over[step.parent_id] = event.at
        model = self._model(event, step)
        self.record(BRANCH_DURATION, event.seconds, self._labels(model=model, status=_status(event)))
        if isinstance(event, StepCancelled):
            self.record(BRANCHES_CANCELLED, 1, self._labels(model=model, reason=event.reason))

    def _attempt_ended(self, event: Ended, step: StepStarted) -> None:
        model = self._model(event, step)
        if step.name.endswith(LOST_RACE):
            self.record(HEDGES, 1, self._labels(model=model))
        elif isinstance(event, StepFailed):
            self.record(RETRIES, 1, self._labels(model=model) | {"error.type": event.failure.code})

    def _spent(self, event: Ended, step: StepStarted) -> None:
        usage, cost = _used(event)
        labels = self._labels(model=self._model(event, step), kind=step.step_kind)
        if cost:
            self.record(COST, cost, labels)
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if tokens:
                self.record(TOKENS, tokens, {**labels, "type": kind})

    def _run_ended(self, event: RunEnded) -> None:
        begun = self._begun
        if begun is None:
            return
        labels = self._labels(protocol=begun.protocol, status=ENDED_AS[type(event)])
        if isinstance(event, RunFinished):
            labels["panel"] = event.panel
        error = {"error.type": event.failure.code} if isinstance(event, RunFailed) else {}
        self.record(RUNS, 1, labels | error)
        self.record(RUN_DURATION, event.at - begun.at, labels)
        if isinstance(event, RunFinished) and self._first_token_at is not None:
            operation = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.provider.name": "stellarator"}
            seconds = max(0.0, self._first_token_at - begun.at)
            self.record(SERVER_FIRST_TOKEN, seconds, operation | {"gen_ai.request.model": self.spec.name})

    def _model(self, event: Ended, step: StepStarted) -> str:
        """The model as the workflow names it for its provider: the one that ended the step, else the first asked."""
        named = {alias: model.model for alias, model in self.spec.models.items()}
        if event.model in named:
            return named[event.model]
        return event.model if event.model in named.values() else named.get(step.model, "")

    def _labels(self, **labels: str) -> dict[str, str]:
        return {"virtual_model": self.spec.name, **labels}


def _status(event: Ended) -> str:
    match event:
        case StepFinished():
            return "ok"
        case StepFailed():
            return "failed"
        case StepCancelled():
            return "cancelled"


def _used(event: Ended) -> tuple[Usage, float | None]:
    if not isinstance(event, StepFinished):
        return event.usage, event.cost_usd
    if event.completion is None:  # a group or a tool: what is in it has counted itself
        return Usage(), None
    return event.completion.usage, event.completion.cost_usd
