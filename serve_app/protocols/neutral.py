"""Neutral values that every wire format builds in the same way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from workflows.messages import File, Foreign, Image, Part, Text

ANYTHING = {"type": "object", "properties": {}}
"""The schema of a tool that says nothing about its arguments."""

ONE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""The schema of the function that stands for a tool which takes free text."""


def custom_arguments(text: str) -> str:
    """Free text as the arguments of that function."""
    return json.dumps({"input": text})


def custom_input(arguments: str) -> str:
    """The free text that a model meant; all that it wrote when it did not keep to the schema."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments
    match value:
        case {"input": str(text)}:
            return text
        case str(text):
            return text
        case dict() if len(value) == 1 and isinstance(only := next(iter(value.values())), str):
            return only
        case _:
            return arguments


def custom_description(*said: str | None, syntax: str, definition: str) -> str:
    """What a custom tool says of itself, and its grammar in words: function calling has no place for one."""
    grammar = f"The whole `input` must follow this {syntax} grammar:\n{definition}" if definition else ""
    return "\n\n".join(text for text in (*said, grammar) if text)


def result_parts(parts: Iterable[Part]) -> Iterator[Text | Image | File]:
    """The parts of a tool's result. It has no room for foreign ones; their JSON still tells the model something."""
    for part in parts:
        match part:
            case Text() | Image() | File():
                yield part
            case Foreign(payload=payload):
                yield Text(json.dumps(payload))
            case _:
                continue
