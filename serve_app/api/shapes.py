"""What our own JSON API answers, as types for its OpenAPI document; nothing is validated by them at run time.

The values come from `workflows.replay` and `serve_app.api.models`; a test holds both sides together.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from workflows.answer import PanelStatus
from workflows.replay import RunStatus, ShownKind, StepStatus

Json: TypeAlias = dict[str, Any]


class FailureShown(TypedDict):
    """Why something failed."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None


class UsageShown(TypedDict):
    """Token counts; `estimated` marks counts that no provider reported."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    estimated: bool


class RunLine(TypedDict):
    """One run in a list. Times are Unix seconds; `cost_usd` is null when some call's price is unknown."""

    run_id: str
    virtual_model: str
    protocol: str
    status: RunStatus
    started_at: float
    ended_at: float | None
    seconds: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    panel: PanelStatus | None
    error: FailureShown | None
    trace_id: str


class RunList(TypedDict):
    """Runs, newest first."""

    runs: list[RunLine]


class StepShown(TypedDict):
    """One step of a run: a call of a model, or of a mounted tool with the steps below it."""

    step_id: str
    parent_id: str
    name: str
    kind: ShownKind
    model: str
    status: StepStatus
    started_at: float
    seconds: float | None
    first_token_seconds: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    dropped: list[str]
    error: FailureShown | None
    reason: str
    output: str
    detail: Json
    attempts: int
    models_tried: list[str]
    contribution: Json


class RunShown(TypedDict):
    """One run as it stands, with its steps in the order in which they began."""

    run_id: str
    virtual_model: str
    protocol: str
    status: RunStatus
    answer: str
    finish_reason: str
    usage: UsageShown
    total_usage: UsageShown
    cost_usd: float | None
    panel: PanelStatus | None
    dropped: list[str]
    error: FailureShown | None
    reason: str
    started_at: float
    ended_at: float | None
    seconds: float | None
    trace_id: str
    workflow_hash: str
    steps: list[StepShown]


class MainShown(TypedDict):
    """The main LLM: its alias and the tools that are mounted for it."""

    model: str
    tools: list[str]


class BranchShown(TypedDict):
    """One branch of a panel."""

    name: str
    model: str
    optional: bool


class SynthesisShown(TypedDict):
    """Who merges a panel's answers."""

    model: str


class ToolShown(TypedDict):
    """A mounted tool; what a panel has, and what a mounted model has, is there only for those."""

    mode: str
    description: str
    trigger: Literal["auto", "always", "never"]
    input_schema: Json
    branches: NotRequired[list[BranchShown]]
    collect: NotRequired[Json]
    synthesis: NotRequired[SynthesisShown]
    model: NotRequired[str]
    images: NotRequired[bool]


class ModelShown(TypedDict):
    """What stands behind an alias."""

    provider: str
    model: str
    fallbacks: list[str]
    temperature: float | None
    max_tokens: int | None
    reasoning_effort: str | None
    context_window: int | None


class VirtualModelShown(TypedDict):
    """A virtual model, without its prompts and addresses. `version` and `hash` are of its publication."""

    name: str
    description: str
    main: MainShown
    tools: dict[str, ToolShown]
    models: dict[str, ModelShown]
    limits: Json
    deployment: Any
    version: NotRequired[int]
    hash: NotRequired[str]
