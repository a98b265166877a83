"""What crosses between a door and a virtual model: one request in, a stream of answer events out.

Doors (`serve_app.protocols`) build a `RunRequest` from a wire format and encode `AnswerEvent`s into it; the
virtual model in between knows no wire format. Order of a stream: `AnswerStarted`, any number of deltas and
`Progress`, then exactly one of `AnswerFinished` and `AnswerFailed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from workflows.errors import Failure
from workflows.messages import (
    ChatRequest,
    FinishReason,
    Json,
    Message,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)

PanelMode = Literal["auto", "always", "never"]
PanelStatus = Literal["ran", "degraded", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One accepted request.

    Attributes:
        run_id: new for every run; given to the client in a header at once.
        virtual_model: the name that the client called.
        protocol: openai_chat, openai_responses, anthropic_messages or api.
        request: the client's conversation, tools and parameters.
        stream: whether the client reads a stream.
        progress: whether the client is told how a panel is doing while it runs.
        panel: the client's wish about the panel; None leaves it to the workflow.
        panel_tool: the mounted tool that the client named; empty: any.
        dropped: what the door left out of the request: names of fields, never contents.
        depth: how many virtual models called this one; a panel runs at depth 0 only.
        traceparent: W3C trace context; empty when the client sent none and tracing is off.
        door: what the door needs to show this answer again later, as JSON; the journal keeps it (a list
            under ``items`` item by item), and it means nothing to anyone else.
        resumed: whether the run had a life before; what it finished then is in the journal.
        kept: whether the run goes on without its client; its beginning is in the journal before it is driven.
        fingerprint: equal for requests that ask the same (`workflows.fingerprint`); empty when nobody compares.
    """

    run_id: str
    virtual_model: str
    protocol: str
    request: ChatRequest
    stream: bool = False
    progress: bool = False
    panel: PanelMode | None = None
    panel_tool: str = ""
    dropped: tuple[str, ...] = ()
    depth: int = 0
    traceparent: str = ""
    door: Json = field(default_factory=dict)
    resumed: bool = False
    kept: bool = False
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStarted:
    """The run began; sent before the first model is called. `created` is Unix time in seconds."""

    run_id: str
    model: str
    created: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How a panel is doing: one line for people, about no more than names, times and codes.

    It is no part of the answer: not of `AnswerFinished.message`, not of any usage, and no model ever reads it.
    """

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFinished:
    """The answer is complete; `message` equals the sum of the deltas.

    `usage` is the size of the client's own conversation, as one model would have counted it; `total_usage` and
    `cost_usd` are what the whole run took (None: some call's price is unknown). `stop_sequence` is the one that
    ended the answer, where the provider says so.
    """

    message: Message
    finish_reason: FinishReason
    usage: Usage
    total_usage: Usage
    cost_usd: float | None
    panel: PanelStatus
    stop_sequence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFailed:
    """There is no answer, or no more of it. Safe to show."""

    failure: Failure


AnswerEvent: TypeAlias = (
    AnswerStarted | TextDelta | ReasoningDelta | ToolCallDelta | Progress | AnswerFinished | AnswerFailed
)
