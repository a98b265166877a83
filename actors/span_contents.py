"""Conversations as the GenAI conventions write them into spans; called only when content capture is on.

Pictures and files are named, not carried: a span is no place for megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cluster import semconv
from workflows.messages import Message, Part, Reasoning, Text, ToolCall, ToolResult

_SYSTEM = ("system", "developer")


def asked(messages: Iterable[Message]) -> semconv.Attributes:
    """What a model is sent: the system's instructions, and the conversation."""
    known = tuple(messages)
    system = "\n".join(message.text for message in known if message.role in _SYSTEM)
    said = [_message(message) for message in known if message.role not in _SYSTEM]
    return semconv.content(input_messages=said, system=system)


def answered(message: Message) -> semconv.Attributes:
    """What a model answered."""
    return semconv.content(output_messages=[_message(message)])


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "content": text}
        case Reasoning(text):
            return {"type": "reasoning", "content": text}
        case ToolCall(id=call_id, name=name, arguments=arguments):
            return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
        case ToolResult(call_id=call_id):
            return {"type": "tool_call_response", "id": call_id, "response": part.text}
        case _:
            return {"type": part.type}
