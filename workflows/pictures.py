"""Pictures of a conversation by reference, for a main LLM that reads text and a mounted LLM that sees.

The main LLM gets ``[image 1]`` in place of the first picture, and passes such references to the tool; the tool's
LLM gets the pictures themselves. Pictures are counted through the whole conversation, so a reference stays valid.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace

from workflows.messages import ChatRequest, Image, Message, Part, Text, ToolResult

_REFERENCE = re.compile(r"\d+")


def pictures(request: ChatRequest) -> tuple[Image, ...]:
    """Every picture of the conversation, in order; the first is ``image 1``."""
    return tuple(picture for message in request.messages for picture in _in(message.parts))


def by_reference(request: ChatRequest) -> ChatRequest:
    """The conversation with every picture replaced by its reference."""
    numbers = itertools.count(1)

    def told(part: Part) -> Part:
        match part:
            case Image():
                return _reference(next(numbers))
            case ToolResult(content=content):
                inner = (_reference(next(numbers)) if isinstance(p, Image) else p for p in content)
                return replace(part, content=tuple(inner))
            case _:
                return part

    messages = (Message(message.role, tuple(map(told, message.parts))) for message in request.messages)
    return replace(request, messages=tuple(messages))


def referred(request: ChatRequest, references: Iterable[str]) -> tuple[Image, ...] | str:
    """The pictures that these references name; what is wrong, for the main LLM to mend, when one names none."""
    known = pictures(request)
    chosen: list[Image] = []
    for reference in references:
        number = _REFERENCE.search(reference)
        if number is None or not 1 <= int(number[0]) <= len(known):
            there = ", ".join(f"image {n}" for n in range(1, len(known) + 1)) or "none"
            return f"`{reference}` is no picture of this conversation. There are: {there}."
        chosen.append(known[int(number[0]) - 1])
    return tuple(chosen)


def latest(request: ChatRequest) -> tuple[Image, ...]:
    """The pictures of the last message that has any."""
    return next((found for m in reversed(request.messages) if (found := tuple(_in(m.parts)))), ())


def _reference(number: int) -> Text:
    return Text(f"[image {number}]")


def _in(parts: Iterable[Part]) -> Iterable[Image]:
    for part in parts:
        if isinstance(part, Image):
            yield part
        elif isinstance(part, ToolResult):
            yield from (inner for inner in part.content if isinstance(inner, Image))
