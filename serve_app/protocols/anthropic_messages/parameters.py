"""What a request of Messages says about the answer: tool choice, form, generation parameters. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serve_app.protocols.anthropic_messages import wire
from serve_app.protocols.anthropic_messages.tools import is_run_by_client
from serve_app.protocols.dropped import typed
from workflows.errors import RequestInvalid
from workflows.messages import ResponseFormat, Sampling, ToolChoice

_MAX_USER_ID = 64
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
"""Effort in the three words that every provider of reasoning models knows."""
_LOW_BUDGET, _MEDIUM_BUDGET = 4096, 16384
"""Thinking tokens up to which a budget means low and medium effort: the steps of Claude Code's own key words."""


def tool_choice(choice: wire.MessagesToolChoice | None) -> ToolChoice:
    """How free the model is. Raises `RequestInvalid` for a tool without a name."""
    match choice:
        case wire.MessagesToolChoice(type="none"):
            return ToolChoice("none")
        case wire.MessagesToolChoice(type="any"):
            return ToolChoice("required")
        case wire.MessagesToolChoice(type="tool"):
            if not choice.name:
                raise RequestInvalid("tool_choice.name", "Field required")
            return ToolChoice("named", choice.name)
        case _:
            return ToolChoice()


def response_format(body: wire.CountTokensRequest) -> ResponseFormat | None:
    """The demand on the answer's form."""
    wanted = (body.output_config and body.output_config.format) or body.output_format
    if wanted is None or wanted.type != "json_schema":
        return None
    return ResponseFormat("json_schema", schema=wanted.json_schema)


def sampling(body: wire.CountTokensRequest) -> Sampling:
    """Generation parameters."""
    if not isinstance(body, wire.MessagesRequest):
        return Sampling()
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens,
        stop=tuple(body.stop_sequences or ()),
        reasoning_effort=_effort(body),
        extra=dict(_extra(body)),
    )


def _effort(body: wire.MessagesRequest) -> str | None:
    """How hard the model is to think; a thinking budget says so where no effort does."""
    if body.output_config and body.output_config.effort in _EFFORTS:
        return _EFFORTS[body.output_config.effort]
    budget = body.thinking.budget_tokens if body.thinking else None
    if budget is None:
        return None
    return "low" if budget <= _LOW_BUDGET else "medium" if budget <= _MEDIUM_BUDGET else "high"


def _extra(body: wire.MessagesRequest) -> Iterator[tuple[str, Any]]:
    if body.top_k is not None:
        yield "top_k", body.top_k
    user = (body.metadata or {}).get("user_id")
    if isinstance(user, str) and 0 < len(user) <= _MAX_USER_ID:
        yield "user", user


def without_effect(body: wire.MessagesRequest) -> Iterator[str]:
    """Known fields that have no effect, by name."""
    for tool in body.tools or ():
        if isinstance(tool, wire.TypedTool) and not is_run_by_client(tool):
            yield typed("tools", tool.type)
    if body.thinking and body.thinking.type == "disabled":
        yield "thinking"
    told = dict(_extra(body))
    yield from (
        typed("metadata", name) for name in body.metadata or () if name != "user_id" or "user" not in told
    )
