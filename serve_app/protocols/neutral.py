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
