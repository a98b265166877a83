"""Neutral requests as Chat Completions bodies. Pure.

The source of the format is OpenAI's API reference for ``POST /chat/completions``; what servers differ in is said
where it matters. LiteLLM takes the same messages and tools, so its client uses these functions, too.

Left out is only what no server could understand (`left_out` says what): parts that are foreign to this format, and
thinking that did not come from such a server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from actors.models.openai_compatible.proofs import is_proof, proven
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

ORIGIN = "openai_chat"
"""The origin of `Foreign` parts that this format understands.

A payload with a ``type`` is a content part; one without is fields of an assistant's message.
"""

_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_ERROR_MARK = "Error: "


def body(model: str, request: ChatRequest) -> dict[str, Any]:
    """The whole body of a streamed request."""
    return {
        "model": model,
        "messages": messages(request.messages, model),
        "stream": True,
        "stream_options": {"include_usage": True},
        **options(request),
    }


def options(request: ChatRequest) -> dict[str, Any]:
    """Everything but model, messages and streaming."""
    told: dict[str, Any] = dict(sampling(request.sampling))
    if request.tools:
        told["tools"] = [tool(each) for each in request.tools]
        if request.tool_choice != ToolChoice():
            told["tool_choice"] = tool_choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            told["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format is not None:
        told["response_format"] = response_format(request.response_format)
    return told


def left_out(request: ChatRequest) -> tuple[str, ...]:
    """What cannot be said of a request, by kind, each once."""
    kinds = (_unsaid(message.role, part) for message in request.messages for part in message.parts)
    return tuple(dict.fromkeys(kind for kind in kinds if kind))


def _unsaid(role: str, part: Part) -> str:
    """What is left out when this part cannot be said in a message of that role; empty when it can."""
    by_assistant = role == "assistant"
    match part:
        case Foreign(origin, payload) if origin != ORIGIN or by_assistant == ("type" in payload):
            kind = str(payload.get("type", ""))
            return kind if _KIND.fullmatch(kind) else f"{origin} part"
        case Reasoning(_, signature) if not (by_assistant and is_proof(signature)):
            return "reasoning"
        case Image() | File() if by_assistant:
            return part.type
        case _:
            return ""


def messages(conversation: Sequence[Message], model: str = "") -> list[dict[str, Any]]:
    """The conversation's messages, for this model: signed thinking goes back only to where it came from.

    A tool message may hold text only, and nothing may come between the results of one turn. So the images and files
    of results follow behind them, as the user's.
    """
    told: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for message in conversation:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        rest = tuple(part for part in message.parts if not isinstance(part, ToolResult))
        if rest or not results:
            told += _media_message(shown)
            shown = []
        for result in results:
            told.append(_tool_message(result))
            shown += _media(result)
        if rest or not results:
            told.append(
                _assistant(rest, model) if message.role == "assistant" else _spoken(message.role, rest)
            )
    return [*told, *_media_message(shown)]


def tool(tool: Tool) -> dict[str, Any]:
    """A tool's definition."""
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.input_schema),
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """A tool choice."""
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def response_format(wanted: ResponseFormat) -> dict[str, Any]:
    """A demand on the answer's form."""
    if wanted.type == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wanted.name or "answer", "schema": dict(wanted.schema or {})}
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def sampling(wanted: Sampling) -> dict[str, Any]:
    """Generation parameters, without those that nobody set."""
    told: dict[str, Any] = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "max_tokens": wanted.max_tokens,
        "stop": list(wanted.stop) or None,
        "seed": wanted.seed,
        "presence_penalty": wanted.presence_penalty,
        "frequency_penalty": wanted.frequency_penalty,
        "reasoning_effort": wanted.reasoning_effort,
    }
    return {**{name: value for name, value in told.items() if value is not None}, **wanted.extra}


def _spoken(role: str, parts: tuple[Part, ...]) -> dict[str, Any]:
    """A message of parts; text alone is sent as a string, which every server takes.

    `developer` is OpenAI's newer word for `system`: OpenAI takes both, other servers' chat templates only the older.
    """
    role = "system" if role == "developer" else role
    if all(isinstance(part, Text) for part in parts):
        return {"role": role, "content": "".join(part.text for part in parts if isinstance(part, Text))}
    return {"role": role, "content": [told for part in parts if (told := _part(part)) is not None]}


def _assistant(parts: tuple[Part, ...], model: str) -> dict[str, Any]:
    text = "".join(part.text for part in parts if isinstance(part, Text))
    calls = [part for part in parts if isinstance(part, ToolCall)]
    told: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    for part in parts:
        match part:
            case Reasoning(thinking, signature) if calls:
                told.update(proven(signature, thinking, model))
            case Foreign(origin, payload) if origin == ORIGIN and "type" not in payload:
                told.update(payload)
    return told


def _tool_message(result: ToolResult) -> dict[str, Any]:
    """A result; the format has no flag for errors, so the text says it."""
    mark = _ERROR_MARK if result.is_error and not result.text.lower().startswith("error") else ""
    return {"role": "tool", "tool_call_id": result.call_id, "content": f"{mark}{result.text}"}


def _media(result: ToolResult) -> list[dict[str, Any]]:
    """The parts of a result that a tool message has no room for, behind a word about where they come from."""
    told = [told for part in result.content if not isinstance(part, Text) and (told := _part(part))]
    if not told:
        return []
    return [{"type": "text", "text": f"Returned by the tool call {result.call_id}:"}, *told]


def _media_message(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": shown}] if shown else []


def _part(part: Part) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(url, detail):
            return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}
        case File(url, name):
            return {"type": "file", "file": {"file_data": url, **({"filename": name} if name else {})}}
        case Foreign(origin, payload) if origin == ORIGIN and "type" in payload:
            return dict(payload)
        case Foreign() | Reasoning() | ToolCall() | ToolResult():
            return None
