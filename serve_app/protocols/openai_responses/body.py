"""The response object around an answer: pure functions."""

from __future__ import annotations

from typing import Any

from serve_app.errors import Fault
from serve_app.protocols.openai_responses import wire, wire_out
from serve_app.protocols.openai_responses.tools import echoed
from workflows.answer import AnswerFinished
from workflows.messages import Usage

_RESPONSE_PREFIX = "resp_"
_RUN_PREFIX = "run_"


def response_id(run_id: str) -> str:
    """The id of a run's response."""
    return _RESPONSE_PREFIX + run_id.removeprefix(_RUN_PREFIX)


def run_id_of(named: str) -> str:
    """The run behind the id of a response (``resp_<run>``) or of one of its items (``msg_<run>_0``)."""
    return _RUN_PREFIX + named.partition("_")[2].partition("_")[0]


def begun(body: wire.ResponseRequest, run_id: str, created_at: int) -> wire_out.Response:
    """The response before there is an answer. `created_at` is Unix time in seconds."""
    extra = body.model_extra or {}
    return {
        "id": response_id(run_id),
        "object": "response",
        "created_at": created_at,
        "status": "queued" if body.background else "in_progress",
        "background": bool(body.background),
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": None,
        "metadata": {str(key): str(value) for key, value in (body.metadata or {}).items()},
        "model": body.model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": _text(extra.get("prompt_cache_key")),
        "reasoning": {
            "effort": body.reasoning.effort if body.reasoning else None,
            "summary": body.reasoning.summary if body.reasoning else None,
        },
        "safety_identifier": _text(extra.get("safety_identifier")),
        "temperature": body.temperature,
        "text": _text_config(body.text),
        "tool_choice": _tool_choice(body.tool_choice),
        "tools": echoed(body.tools or ()),
        "top_p": body.top_p,
        "truncation": body.truncation or "disabled",
        "usage": None,
    }


def token_counts(usage: Usage) -> wire_out.ResponseUsage:
    """Token counts in the names of this API."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def extension(run_id: str, finished: AnswerFinished) -> wire_out.Extension:
    """What the whole run took, beside `usage`, which is about the client's own conversation."""
    return {
        "run_id": run_id,
        "panel": finished.panel,
        "total_usage": token_counts(finished.total_usage),
        "cost_usd": finished.cost_usd,
    }


def response_error(fault: Fault) -> wire_out.ResponseError:
    """A fault in the codes that a response may have; clients decide by it whether to try again."""
    if fault.status == 429:  # noqa: PLR2004  # HTTP's own number
        return {"code": "rate_limit_exceeded", "message": fault.message}
    if fault.code == "context_length_exceeded":
        return {"code": "context_length_exceeded", "message": fault.message}
    is_ours = fault.status >= 500  # noqa: PLR2004  # HTTP's own number
    return {"code": "server_error" if is_ours else "invalid_prompt", "message": fault.message}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _text_config(text: wire.TextIn | None) -> dict[str, Any]:
    form = text.format if text else None
    told: dict[str, Any] = {"type": form.type if form else "text"}
    if form and form.type == "json_schema":
        told |= {"name": form.name, "schema": form.json_schema or {}, "strict": form.strict}
    return {"format": told, **({"verbosity": text.verbosity} if text and text.verbosity else {})}


def _tool_choice(choice: str | wire.ToolChoiceIn | None) -> str | dict[str, Any]:
    match choice:
        case str():
            return choice
        case wire.ToolChoiceIn(type="allowed_tools"):
            tools = [tool.model_dump(exclude_unset=True) for tool in choice.tools or ()]
            return {"type": "allowed_tools", "mode": choice.mode, "tools": tools}
        case wire.ToolChoiceIn(type="function" | "custom"):
            return {"type": choice.type, "name": choice.name}
        case _:
            return "auto"
