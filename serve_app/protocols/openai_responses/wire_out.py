"""Responses on the wire, outwards: exact types.

`TypedDict`s with the fields of the official SDK's types, so that mypy checks what is built, FastAPI describes it, and
nothing is validated at run time. Beyond them there is one extension: ``stellarator``.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from workflows.answer import PanelStatus

Status: TypeAlias = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class InputTokensDetails(TypedDict):
    """Of the input's tokens."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(TypedDict):
    """Of the answer's tokens."""

    reasoning_tokens: int


class ResponseUsage(TypedDict):
    """Token counts."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class Extension(TypedDict):
    """What the whole run took, panel included. `cost_usd` is null when some call's price is unknown."""

    run_id: str
    panel: PanelStatus
    total_usage: ResponseUsage
    cost_usd: float | None


class ResponseError(TypedDict):
    """Why there is no answer. The official SDK does not list `context_length_exceeded`; OpenAI sends it, agents wait for it."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt", "context_length_exceeded"]
    message: str


class IncompleteDetails(TypedDict):
    """Why there is only a part of the answer."""

    reason: Literal["max_output_tokens", "content_filter"]


class Response(TypedDict):
    """The body of an answer, and of its first and last events."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Status
    background: bool
    completed_at: int | None
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None
    metadata: dict[str, Any]
    model: str
    output: list[dict[str, Any]]
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt_cache_key: str | None
    reasoning: dict[str, Any]
    safety_identifier: str | None
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float | None
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None
    stellarator: NotRequired[Extension]


class Compaction(TypedDict):
    """The body of a conversation made shorter."""

    id: str
    object: Literal["response.compaction"]
    created_at: int
    output: list[dict[str, Any]]
    usage: ResponseUsage


class InputTokens(TypedDict):
    """The size of a conversation."""

    object: Literal["response.input_tokens"]
    input_tokens: int


class DeletedResponse(TypedDict):
    """A stored response is gone."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class ItemList(TypedDict):
    """A page of the items that an answer was made from."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str
    last_id: str
    has_more: bool
