"""What a prompt may mention, and the values behind the names.

| in | names |
| --- | --- |
| a branch's `prompt` | every property of the tool's `input_schema`; `last_user_message`, `conversation`, `tool` |
| a synthesis' `prompt` | the same, and `task`, `arguments`, `evidence`, `candidates` |

- An argument that the main LLM left out is its schema's ``default``, or empty text.
- `conversation` is the whole conversation as plain text (`transcript`), `tool` the mounted tool's name.
- `task` is the argument of that name; a tool without one gets all its arguments, one a line. `arguments` are the
  other ones that are not empty, a list of ``{name, text}``.
- `evidence` is the branches' answers, fenced and marked as untrusted; `candidates` the same answers bare, a list of
  ``{letter, text}``. A prompt of your own should print `evidence`, unless it fences the answers itself.

`main.system`, a branch's `system` and all `examples` are plain text, not templates: a constant beginning is what
providers' prompt caches need, and braces in it mean braces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workflows.messages import ChatRequest, File, Foreign, Image, Message, Part, Text, ToolCall, ToolResult
from workflows.spec import FusionToolSpec, ToolSpec

ABOUT_THE_CALL = frozenset({"last_user_message", "conversation", "tool"})
ABOUT_THE_BRANCHES = frozenset({"task", "arguments", "evidence", "candidates"})

_SPEAKERS = {"user": "User", "assistant": "Assistant"}


def argument_names(tool: ToolSpec) -> frozenset[str]:
    """The properties of the tool's input schema."""
    return frozenset(tool.input_schema.get("properties", {}))


def branch_variables(tool: ToolSpec) -> frozenset[str]:
    """The names that a branch's prompt may mention."""
    return argument_names(tool) | ABOUT_THE_CALL


def synthesis_variables(tool: FusionToolSpec) -> frozenset[str]:
    """The names that a synthesis' prompt may mention."""
    return branch_variables(tool) | ABOUT_THE_BRANCHES


def branch_values(
    name: str, tool: ToolSpec, arguments: Mapping[str, Any], conversation: ChatRequest
) -> dict[str, Any]:
    """A value for each of `branch_variables`.

    Args:
        name: the mounted tool's name.
        tool: its definition.
        arguments: what the main LLM called it with, parsed and valid against the input schema.
        conversation: what was said so far.

    """
    properties = tool.input_schema.get("properties", {})
    given = {key: arguments.get(key, _default(schema)) for key, schema in properties.items()}
    return given | {
        "last_user_message": conversation.last_user_text,
        "conversation": transcript(conversation.messages),
        "tool": name,
    }


def synthesis_values(
    values: Mapping[str, Any],
    tool: FusionToolSpec,
    candidates: Sequence[Mapping[str, str]],
    evidence: str,
) -> dict[str, Any]:
    """A value for each of `synthesis_variables`.

    Args:
        values: what `branch_values` gave to the branches.
        tool: the mounted tool's definition.
        candidates: ``{letter, text}`` for every answer, in the order shown.
        evidence: the same answers as one fenced text.

    """
    given = [
        {"name": name, "text": values[name]}
        for name in tool.input_schema.get("properties", {})
        if values[name] != ""
    ]
    return {
        "task": "\n".join(f"{item['name']}: {item['text']}" for item in given),
        **values,
        "arguments": [item for item in given if "task" in values and item["name"] != "task"],
        "candidates": [dict(candidate) for candidate in candidates],
        "evidence": evidence,
    }


def transcript(messages: Iterable[Message]) -> str:
    """A conversation as plain text: a paragraph for each turn, beginning with who spoke.

    System and developer messages and thinking are left out: they are not addressed to a panel. What is not text
    is named in square brackets.
    """
    spoken = (message for message in messages if message.role not in {"system", "developer"})
    return "\n\n".join(filter(None, map(_paragraph, spoken)))


def _paragraph(message: Message) -> str:
    said = "\n".join(filter(None, map(_said, message.parts)))
    if not said or message.role == "tool":
        return said
    return f"{_SPEAKERS[message.role]}: {said}"


def _said(part: Part) -> str:
    match part:
        case Text(text):
            return text
        case Image() | Foreign():
            return f"[{part.type} part]"
        case File(name=name):
            return f"[file part {name}".rstrip() + "]"
        case ToolCall(name=name, arguments=arguments):
            return f"[calls the tool {name} with {arguments}]"
        case ToolResult():
            return f"Tool result: {part.text}"
        case _:
            return ""


def _default(schema: Any) -> Any:
    return schema.get("default", "") if isinstance(schema, dict) else ""
