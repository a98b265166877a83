"""Input items to the neutral conversation: pure functions.

Items are flat where messages nest: an assistant's turn is the run of its items up to the next word of someone else.
Items without a neutral form are carried as `Foreign`; one that nobody can read stands with the next message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from serve_app.protocols.lenient import Lenient
from serve_app.protocols.neutral import custom_arguments, result_parts
from serve_app.protocols.openai_responses import wire
from serve_app.protocols.openai_responses.compaction import summary_message
from serve_app.protocols.openai_responses.seals import unsealed, unsealed_thought
from serve_app.protocols.openai_responses.tools import TOOL_SEARCH, ClientTool, ToolNames
from serve_app.protocols.progress import SEAL
from workflows.errors import RequestInvalid
from workflows.messages import (
    File,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

PROTOCOL = "openai_responses"
"""The name of this wire format in `RunRequest.protocol` and `Foreign.origin`."""

_PROGRESS_ID = re.compile(r"rs_[0-9a-f]+_p\d+")
_UNREADABLE = "An earlier part of this conversation was summarised by another server and cannot be read here."


def messages(items: Iterable[wire.Item], names: ToolNames) -> Iterator[Message]:
    """The conversation that the items are. Raises `RequestInvalid` for a summary of ours that is damaged."""
    turn: list[Part] = []
    for index, item in enumerate(items):
        if isinstance(item, wire.MessageItem) and item.role == "assistant":
            if _has_spoken(turn):
                yield Message("assistant", tuple(turn))
                turn = []
            turn += _parts(item.content)
        elif (own := _of_assistant(item, names)) is not None:
            turn += own
        elif (other := _of_others(item, index)) is not None:
            if _says_something(turn):
                yield Message("assistant", tuple(turn))
                turn = []
            if turn and other.role != "tool":
                other, turn = Message(other.role, (*turn, *other.parts)), []
            yield other
    if turn:
        yield Message("assistant", tuple(turn))


def _has_spoken(turn: list[Part]) -> bool:
    """Whether another message of the assistant begins a turn of its own; never between calls and their results."""
    return any(isinstance(part, Text) for part in turn) and not any(
        isinstance(part, ToolCall) for part in turn
    )


def _says_something(turn: list[Part]) -> bool:
    return any(isinstance(part, Text | ToolCall) for part in turn)


def _of_assistant(item: wire.Item, names: ToolNames) -> list[Part] | None:
    """The parts that an item adds to the assistant's turn; None when it is not the assistant's."""
    match item:
        case wire.FunctionCallItem():
            name = names.flat(ClientTool("function", item.name, item.namespace))
            arguments = item.arguments if isinstance(item.arguments, str) else json.dumps(item.arguments)
            return [ToolCall(item.call_id, name, arguments)]
        case wire.CustomCallItem():
            name = names.flat(ClientTool("custom", item.name, item.namespace))
            return [ToolCall(item.call_id, name, custom_arguments(item.input))]
        case wire.ToolSearchCallItem(call_id=str() as call_id):
            return [ToolCall(call_id, TOOL_SEARCH, json.dumps(item.arguments or {}))]
        case wire.ReasoningItem():
            return list(_thinking(item))
        case wire.ToolSearchCallItem() | wire.OtherItem():
            return [_foreign(item)]
        case _:
            return None


def _of_others(item: wire.Item, index: int) -> Message | None:
    match item:
        case wire.MessageItem():
            return Message(item.role, tuple(_parts(item.content)))
        case wire.CallOutputItem():
            return Message("tool", (ToolResult(item.call_id, tuple(result_parts(_parts(item.output)))),))
        case wire.ToolsItem(type="tool_search_output", call_id=str() as call_id):
            found = ", ".join(_names(item.tools)) or "none"
            return Message("tool", (ToolResult(call_id, (Text(f"Tools found: {found}"),)),))
        case wire.CompactionItem():
            return _summary(item, index)
        case _:
            return None


def _summary(item: wire.CompactionItem, index: int) -> Message:
    try:
        summary = unsealed("summary", item.encrypted_content)
    except ValueError as error:
        # Without it the conversation would silently lose its beginning.
        raise RequestInvalid(f"input.{index}.encrypted_content", str(error)) from error
    if summary is None:
        return Message("developer", (Text(_UNREADABLE), _foreign(item)))
    return summary_message(summary)


def is_progress(item: wire.Item) -> bool:
    """Whether an item, or the one that it refers to, is a panel's progress: known by its seal, or by its id."""
    name = getattr(item, "id", None)
    is_sealed = isinstance(item, wire.ReasoningItem) and item.encrypted_content == SEAL
    return is_sealed or (isinstance(name, str) and bool(_PROGRESS_ID.fullmatch(name)))


def _thinking(item: wire.ReasoningItem) -> Iterator[Part]:
    if is_progress(item):
        return
    sealed = item.encrypted_content or ""
    try:
        thought = unsealed_thought(sealed)
    except ValueError:
        thought = None
    if thought is None:
        thought = Reasoning("".join(_texts(item.content or item.summary or ())))
        if sealed:
            yield _foreign(item)
    if thought.text:
        yield thought


def _texts(parts: Iterable[wire.ContentPart]) -> Iterator[str]:
    yield from (part.text for part in parts if isinstance(part, wire.TextPart))


def _parts(content: wire.Content | None) -> Iterator[Part]:
    """The parts; none for empty text, which says nothing and which some providers refuse."""
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in content or ():
        if neutral := _part(part):
            yield neutral


def _part(part: wire.ContentPart) -> Part | None:
    match part:
        case wire.TextPart():
            return Text(part.text) if part.text else None
        case wire.RefusalPart():
            return Text(part.refusal)
        case wire.ImagePart(image_url=str() as url):
            return Image(url, part.detail)
        case wire.FilePart(file_data=str() as url) | wire.FilePart(file_url=str() as url):
            return File(url, part.filename or "")
        case _:
            return _foreign(part)


def _names(tools: Iterable[wire.ToolIn]) -> Iterator[str]:
    for tool in tools:
        if isinstance(tool, wire.NamespaceTool):
            yield from (f"{tool.name}__{name}" for name in _names(tool.tools))
        elif isinstance(tool, wire.FunctionTool | wire.CustomTool):
            yield tool.name


def _foreign(value: Lenient) -> Foreign:
    return Foreign(PROTOCOL, value.model_dump(exclude_unset=True))
