"""One output item as it comes into being: its events, and the item itself.

An event is a pair of its type and its fields as JSON text without braces; `stream` numbers and frames it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from serve_app.bodies import compact
from serve_app.protocols.neutral import custom_input
from serve_app.protocols.openai_responses.seals import sealed, sealed_thought
from serve_app.protocols.openai_responses.tools import ClientTool, call_item
from serve_app.protocols.progress import SEAL
from workflows.messages import ToolCall

Event = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands: in which run, at which index of its output.

    `number` is its own in the run. It leaves out what is only told in a stream, so that an item has the same id
    when its response is shown again.
    """

    run_id: str
    index: int
    number: str


class Piece:
    """An item that is open. Without more, it has no events but its beginning and its end."""

    prefix = "item"

    def __init__(self, place: Place) -> None:
        self.id = f"{self.prefix}_{place.run_id.removeprefix('run_')}_{place.number}"
        self._index = f'"output_index":{place.index}'
        self._where = f'"item_id":"{self.id}",{self._index}'
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that was told so far."""
        return "".join(self._pieces)

    def opening(self) -> list[Event]:
        """The events before the first delta."""
        return [("response.output_item.added", f'{self._index},"item":{compact(self.item("in_progress"))}')]

    def tell(self, text: str) -> list[Event]:
        """More of it, and the events that say so."""
        self._pieces.append(text)
        return []

    def closing(self, status: str) -> list[Event]:
        """The events after the last delta."""
        return [("response.output_item.done", f'{self._index},"item":{compact(self.item(status))}')]

    def item(self, status: str) -> dict[str, Any]:
        """The item with all that was told."""
        raise NotImplementedError


class TextPiece(Piece):
    """A message."""

    prefix = "msg"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._part = f'{self._where},"content_index":0'

    @override
    def opening(self) -> list[Event]:
        part = compact(_output_text(""))
        return [*super().opening(), ("response.content_part.added", f'{self._part},"part":{part}')]

    @override
    def tell(self, text: str) -> list[Event]:
        self._pieces.append(text)
        return [("response.output_text.delta", f'{self._part},"logprobs":[],"delta":{compact(text)}')]

    @override
    def closing(self, status: str) -> list[Event]:
        part = compact(_output_text(self.text))
        return [
            ("response.output_text.done", f'{self._part},"logprobs":[],"text":{compact(self.text)}'),
            ("response.content_part.done", f'{self._part},"part":{part}'),
            *super().closing(status),
        ]

    @override
    def item(self, status: str) -> dict[str, Any]:
        content = [_output_text(self.text)] if self._pieces else []
        return {
            "type": "message",
            "id": self.id,
            "status": status,
            "role": "assistant",
            "content": content,
        }


class ReasoningPiece(Piece):
    """Thinking, told as a summary of one part; `seals` adds it in a sealed form for the client to keep."""

    prefix = "rs"
    seals = False

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._part = f'{self._where},"summary_index":0'
        self.signature = ""

    @override
    def opening(self) -> list[Event]:
        part = compact(_summary_text(""))
        return [*super().opening(), ("response.reasoning_summary_part.added", f'{self._part},"part":{part}')]

    @override
    def tell(self, text: str) -> list[Event]:
        self._pieces.append(text)
        return [("response.reasoning_summary_text.delta", f'{self._part},"delta":{compact(text)}')]

    @override
    def closing(self, status: str) -> list[Event]:
        part = compact(_summary_text(self.text))
        return [
            ("response.reasoning_summary_text.done", f'{self._part},"text":{compact(self.text)}'),
            ("response.reasoning_summary_part.done", f'{self._part},"part":{part}'),
            *super().closing(status),
        ]

    @override
    def item(self, status: str) -> dict[str, Any]:
        summary = [_summary_text(self.text)] if self._pieces else []
        item: dict[str, Any] = {"type": "reasoning", "id": self.id, "status": status, "summary": summary}
        if self.seals:
            item["encrypted_content"] = sealed_thought(self.text, self.signature)
        return item


class SealedReasoningPiece(ReasoningPiece):
    """Thinking that also comes sealed."""

    seals = True


class ProgressPiece(ReasoningPiece):
    """How a panel is doing, told as if it were thinking; the seal says that it is not."""

    @override
    def item(self, status: str) -> dict[str, Any]:
        return {**super().item(status), "encrypted_content": SEAL}


class CompactionPiece(Piece):
    """A conversation made shorter: nothing is seen of it before it is whole."""

    prefix = "cmp"

    @override
    def item(self, status: str) -> dict[str, Any]:
        return {"type": "compaction", "id": self.id, "encrypted_content": sealed("summary", self.text)}


class CallPiece(Piece):
    """A call of a function; its arguments come as the model writes them."""

    prefix = "fc"

    def __init__(self, place: Place, call: ToolCall, tool: ClientTool) -> None:
        super().__init__(place)
        self._call = call
        self._tool = tool

    @override
    def tell(self, text: str) -> list[Event]:
        self._pieces.append(text)
        return [("response.function_call_arguments.delta", f'{self._where},"delta":{compact(text)}')]

    @override
    def closing(self, status: str) -> list[Event]:
        fields = f'{self._where},"name":{compact(self._tool.name)},"arguments":{compact(self.text)}'
        return [("response.function_call_arguments.done", fields), *super().closing(status)]

    @override
    def item(self, status: str) -> dict[str, Any]:
        call = ToolCall(self._call.id, self._call.name, self.text)
        return call_item(call, self._tool, self.id, status)


class CustomCallPiece(CallPiece):
    """A call of a tool that takes free text, which is known when the arguments around it are whole."""

    prefix = "ctc"

    @override
    def tell(self, text: str) -> list[Event]:
        self._pieces.append(text)
        return []

    @override
    def closing(self, status: str) -> list[Event]:
        text = compact(custom_input(self.text))
        return [
            ("response.custom_tool_call_input.delta", f'{self._where},"delta":{text}'),
            ("response.custom_tool_call_input.done", f'{self._where},"input":{text}'),
            *Piece.closing(self, status),
        ]


class ToolSearchPiece(CallPiece):
    """A search for tools: it has no deltas."""

    prefix = "tsc"

    @override
    def tell(self, text: str) -> list[Event]:
        self._pieces.append(text)
        return []

    @override
    def closing(self, status: str) -> list[Event]:
        return Piece.closing(self, status)


def call_piece(place: Place, call: ToolCall, tool: ClientTool) -> CallPiece:
    """The piece for a call of this tool."""
    kinds = {"function": CallPiece, "custom": CustomCallPiece, "tool_search": ToolSearchPiece}
    return kinds[tool.kind](place, call, tool)


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary_text(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}
