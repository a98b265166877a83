"""What happened in a run: frozen facts in the past tense, appended to the journal and never changed.

Runs and steps are folds of these (`workflows.replay`). Each event has a `kind` (the discriminator) and a `version` `v`, so a
newer reader can understand an older journal. `at` is Unix time in seconds, stamped by the driver. `id` is
unique, so that a batch that is sent twice is stored once.

Contents (requests, answers) are part of the events; a store may keep them apart and leave them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from workflows.errors import Failure
from workflows.messages import ChatRequest, Completion, ToolCall, ToolResult, Usage
from workflows.splicing import HiddenTurns

StepKind = Literal["main", "turn", "tool", "branch", "synthesis", "attempt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A request was accepted.

    What a later life of the run needs to go on is here: the fields of `RunRequest` under their own names, and for a run
    that is `kept` the `workflow` as it was then, and the `traceparent` of its request. `driver` is the process that
    answers it (see `RunResumed`); `workflow_version` is the publication's number, 0 without one.
    """

    id: str
    run_id: str
    at: float
    virtual_model: str
    protocol: str
    request: ChatRequest
    workflow_hash: str = ""
    workflow_version: int = 0
    trace_id: str = ""
    traceparent: str = ""
    stream: bool = False
    door: dict[str, Any] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    panel: Literal["auto", "always", "never"] | None = None
    panel_tool: str = ""
    depth: int = 0
    progress: bool = False
    kept: bool = False
    fingerprint: str = ""
    driver: str = ""
    workflow: dict[str, Any] = field(default_factory=dict)
    kind: Literal["run_started"] = "run_started"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """Another process, or the same in another life, goes on with a run that had not been answered.

    Whatever ended the run before does not count any more. Appended by the journal itself when `driver` claims the run,
    so that only one does.
    """

    id: str
    run_id: str
    at: float
    driver: str
    kind: Literal["run_resumed"] = "run_resumed"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step began. `request` for LLM calls, `call` for tools; `model` is the workflow's alias."""

    id: str
    run_id: str
    at: float
    step_id: str
    parent_id: str
    step_kind: StepKind
    name: str
    model: str = ""
    request: ChatRequest | None = None
    call: ToolCall | None = None
    kind: Literal["step_started"] = "step_started"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step ended with a result: `completion` for LLM calls, `result` and `detail` for tools.

    `model` is what really answered, as the provider names it. `redacted` says that the contents were kept out of
    the journal (`workflows.redaction`), so that this result cannot be used again.
    """

    id: str
    run_id: str
    at: float
    step_id: str
    status: Literal["ok", "degraded", "failed", "skipped"] = "ok"
    model: str = ""
    seconds: float = 0.0
    first_token_seconds: float | None = None
    completion: Completion | None = None
    result: ToolResult | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    redacted: bool = False
    kind: Literal["step_finished"] = "step_finished"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """A step ended without a result. What it cost all the same is an estimate; None when its price is unknown."""

    id: str
    run_id: str
    at: float
    step_id: str
    failure: Failure
    model: str = ""
    seconds: float = 0.0
    usage: Usage = Usage()
    cost_usd: float | None = None
    kind: Literal["step_failed"] = "step_failed"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCancelled:
    """A step was stopped: straggler, deadline, client or shutdown. `cost_usd` as in `StepFailed`."""

    id: str
    run_id: str
    at: float
    step_id: str
    reason: str
    model: str = ""
    seconds: float = 0.0
    usage: Usage = Usage()
    cost_usd: float | None = None
    kind: Literal["step_cancelled"] = "step_cancelled"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The client got its answer.

    `usage` is the size of the client's own conversation; `total_usage` and `cost_usd` are what the whole run
    took; `cost_usd` is None when any call's price is unknown. `panel` says what became of the panel. `hidden` is
    there when the client has calls of its own tools to carry out: what is put back when it returns.
    """

    id: str
    run_id: str
    at: float
    finish_reason: str
    answer: str
    usage: Usage
    total_usage: Usage
    cost_usd: float | None
    panel: Literal["ran", "degraded", "failed", "skipped"]
    hidden: HiddenTurns | None = None
    kind: Literal["run_finished"] = "run_finished"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed:
    """The client got an error."""

    id: str
    run_id: str
    at: float
    failure: Failure
    kind: Literal["run_failed"] = "run_failed"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled:
    """The client went away, or the server was stopped."""

    id: str
    run_id: str
    at: float
    reason: str
    kind: Literal["run_cancelled"] = "run_cancelled"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelCredited:
    """It was worked out what each branch of a panel contributed, after the answer.

    `step_id` is the tool's step; `attribution` is `workflows.attribution.Attribution` as JSON.
    """

    id: str
    run_id: str
    at: float
    step_id: str
    attribution: dict[str, Any]
    kind: Literal["panel_credited"] = "panel_credited"
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWithdrawn:
    """The client had its stored answer deleted: no door shows it any more. The run itself stays."""

    id: str
    run_id: str
    at: float
    kind: Literal["answer_withdrawn"] = "answer_withdrawn"
    v: Literal[1] = 1


Event: TypeAlias = Annotated[
    RunStarted
    | RunResumed
    | StepStarted
    | StepFinished
    | StepFailed
    | StepCancelled
    | RunFinished
    | RunFailed
    | RunCancelled
    | PanelCredited
    | AnswerWithdrawn,
    Field(discriminator="kind"),
]
ENDINGS = (RunFinished, RunFailed, RunCancelled)
"""The events after which nothing more happens in a run, except what is worked out from it."""

event_adapter: TypeAdapter[Event] = TypeAdapter(Event)
"""Events to and from JSON."""
