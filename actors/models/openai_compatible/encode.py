"""Neutral requests as Chat Completions bodies. Pure.

The source of the format is OpenAI's API reference for ``POST /chat/completions``; what servers differ in is said
where it matters. LiteLLM takes the same messages and tools, so its client uses these functions, too.
"""

from __future__ import annotations

from typing import Any

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
"""The origin of `Foreign` parts that this format understands; those of others cannot be sent and are left out."""


def body(model: str, request: ChatRequest) -> dict[str, Any]:
    """The whole body of a streamed request."""
    return {
        "model": model,
        "messages": [encoded for message in request.messages for encoded in messages_of(message)],
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


def messages_of(message: Message) -> list[dict[str, Any]]:
    """One neutral message; tool results become messages of their own, as the format wants them."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    rest = tuple(part for part in message.parts if not isinstance(part, ToolResult))
    told = [_tool_message(result) for result in results]
    if rest or not results:
        told.append(_assistant(rest) if message.role == "assistant" else _spoken(message.role, rest))
    return told


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
    """A message of parts; text alone is sent as a string, which every server takes."""
    if all(isinstance(part, Text) for part in parts):
        return {"role": role, "content": "".join(part.text for part in parts if isinstance(part, Text))}
    return {"role": role, "content": [told for part in parts if (told := _part(part)) is not None]}


def _assistant(parts: tuple[Part, ...]) -> dict[str, Any]:
    text = "".join(part.text for part in parts if isinstance(part, Text))
    calls = [part for part in parts if isinstance(part, ToolCall)]
    told: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    for part in parts:
        if isinstance(part, Foreign) and part.origin == ORIGIN:
            told.update(part.payload)
    return told


def _tool_message(result: ToolResult) -> dict[str, Any]:
    content: Any = result.text
    if any(not isinstance(part, Text) for part in result.content):
        content = [told for part in result.content if (told := _part(part)) is not None]
    return {"role": "tool", "tool_call_id": result.call_id, "content": content}


def _part(part: Part) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(url, detail):
            return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}
        case File(url, name):
            return {"type": "file", "file": {"file_data": url, **({"filename": name} if name else {})}}
        case Foreign(origin, payload) if origin == ORIGIN:
            return dict(payload)
        case Foreign() | Reasoning() | ToolCall() | ToolResult():
            return None
