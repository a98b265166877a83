"""The scripted upstream's side of Chat Completions: what it reads of a request, and how it says an answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import time
from typing import Any

from actors.models.scripted.client import tool_calls
from actors.models.scripted.script import Rule
from workflows.messages import ChatRequest, Completion, Message, ResponseFormat, Role, Text, Tool, ToolCall

DONE = b"data: [DONE]\n\n"
_ID = "chatcmpl-scripted"


def read_request(told: dict[str, Any]) -> ChatRequest:
    """As much of a body as scripts can ask about."""
    messages = tuple(_message(message) for message in told.get("messages", ()))
    tools = tuple(
        Tool(tool["function"]["name"], "", {}) for tool in told.get("tools", ()) if tool.get("function")
    )
    wanted = told.get("response_format")
    return ChatRequest(messages, tools, response_format=ResponseFormat("json_object") if wanted else None)


def chunks(rule: Rule, request: ChatRequest, answer: Completion, model: str) -> Iterator[bytes]:
    """The events of a streamed answer: thinking, text in as many pieces as the rule wants, calls, the end."""
    if rule.reasoning:
        yield _chunk(model, {"reasoning_content": rule.reasoning})
    for piece in rule.pieces(request):
        yield _chunk(model, {"content": piece})
    if calls := tool_calls(rule):
        yield _chunk(model, {"tool_calls": [{"index": i, **_call(call)} for i, call in enumerate(calls)]})
    yield _chunk(model, {}, answer.finish_reason) + _event({"choices": [], "usage": _usage(answer)}) + DONE


def whole(answer: Completion, model: str) -> dict[str, Any]:
    """An answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.message.text or None}
    if answer.message.tool_calls:
        message["tool_calls"] = [_call(call) for call in answer.message.tool_calls]
    return {
        "id": _ID,
        "object": "chat.completion",
        "created": int(time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": answer.finish_reason, "message": message}],
        "usage": _usage(answer),
    }


def error(status: int, message: str) -> dict[str, Any]:
    """An error's body."""
    return {"error": {"message": message, "type": "scripted", "code": status}}


def _message(told: dict[str, Any]) -> Message:
    role: Role = told.get("role", "user")
    content = told.get("content") or ""
    if not isinstance(content, str):
        content = "".join(part.get("text", "") for part in content)
    return Message(role, (Text(content),))


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({"id": _ID, "model": model, "choices": [choice]})


def _event(told: dict[str, Any]) -> bytes:
    head = {"object": "chat.completion.chunk", "created": int(time())}
    return b"data: " + json.dumps(head | told).encode() + b"\n\n"


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(answer: Completion) -> dict[str, int]:
    asked, answered = answer.usage.input_tokens, answer.usage.output_tokens
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
