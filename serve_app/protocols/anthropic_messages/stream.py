"""A streamed answer as Messages events: neutral events in, wire bytes out.

One encoder a stream. The order is: message_start; the content blocks, one after the other, each with its start,
deltas and stop; message_delta (why it ended, usage); message_stop. After an error comes its event and nothing else.
What all deltas of a block share is put together once; a delta costs the JSON of its own text.

Blocks may not overlap, but a model may well write two tool calls at a time. So while the arguments of an open call
are not yet a JSON object, whatever belongs elsewhere waits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from serve_app.bodies import compact
from serve_app.errors import Fault, anthropic_envelope
from serve_app.protocols.anthropic_messages.translate import (
    extension,
    open_message,
    parsed_object,
    signature,
    stop_reason,
    token_counts,
    tool_use,
)
from serve_app.protocols.progress import SEAL
from serve_app.sse import frame
from workflows.answer import AnswerEvent, AnswerFinished, Progress
from workflows.messages import ReasoningDelta, TextDelta, ToolCallDelta, Usage

PINGS_BEFORE_DELTAS = 18
"""So many pings in a row, three minutes at the usual pace, are enough for clients that hear them. Qwen Code's SDK
swallows pings and gives up after four minutes, so empty deltas follow."""

_PING = frame('{"type":"ping"}', event="ping")
_STOP = frame('{"type":"message_stop"}', event="message_stop")
_HALF_PAIR = re.compile("[\ud800-\udfff]")

_BlockKey: TypeAlias = str | int
"""Which block something belongs to: ``text``, ``thinking``, ``progress``, or the index of a tool call."""
_Piece: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta

_THINKING = {"type": "thinking", "thinking": "", "signature": ""}
_DELTAS: Mapping[_BlockKey, tuple[str, str]] = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "progress": ("thinking_delta", "thinking"),
}
"""Type and field of a block's deltas; every other block is a tool call."""


class MessageEncoder:
    """Encodes one answer.

    Args:
        run_id: gives the answer its id.
        model: the virtual model's name.
        asked: the size of the client's conversation as far as it is known before the model has counted.
        thinking: whether the client wants to see what the model thinks.
    """

    def __init__(self, run_id: str, model: str, asked: Usage, *, thinking: bool) -> None:
        self._run_id = run_id
        self._model = model
        self._asked = asked
        self._thinking = thinking
        self._index = -1
        self._open: _BlockKey | None = None
        self._before_delta = ""
        self._arguments: list[str] = []
        self._finished_calls: set[_BlockKey] = set()
        self._waiting: list[_Piece] = []
        self._pings = 0
        self._proof = ""

    def opening(self) -> bytes:
        """The first event: the message without content."""
        message = open_message(self._run_id, self._model, self._asked)
        return _event("message_start", {"message": message})

    def ping(self) -> bytes:
        """A sign of life; while a panel's progress is told, more of that, which every client hears."""
        self._pings += 1
        if self._pings <= PINGS_BEFORE_DELTAS and self._open != "progress":
            return _PING
        opened = b"" if self._open is not None else self._begin("progress", _THINKING)
        return opened + self._delta("")

    def encode(self, event: AnswerEvent) -> bytes:
        """The bytes of one event; none for an event that this wire format does not show, or not yet."""
        match event:
            case TextDelta() | ReasoningDelta() | ToolCallDelta():
                encoded = self._in_turn(event)
            case Progress(line) if self._thinking and self._may_close() and not self._waiting:
                encoded = self._more("progress", _THINKING, f"{line}\n")
            case AnswerFinished():
                encoded = self._ending(event)
            case _:
                return b""
        self._pings = 0 if encoded else self._pings
        return encoded

    def _in_turn(self, piece: _Piece) -> bytes:
        if _key(piece) == self._open or (self._may_close() and not self._waiting):
            return self._piece(piece)
        self._waiting.append(piece)
        return b""

    def _may_close(self) -> bool:
        return not isinstance(self._open, int) or parsed_object("".join(self._arguments)) is not None

    def _piece(self, piece: _Piece) -> bytes:
        match piece:
            case TextDelta(text):
                return self._more("text", {"type": "text", "text": ""}, text) if text else b""
            case ReasoningDelta(text, proof):
                shown = self._more("thinking", _THINKING, text) if text and self._thinking else b""
                self._proof = proof or self._proof
                return shown
            case ToolCallDelta(index, call_id, name, arguments):
                if index in self._finished_calls:
                    return b""
                # JSON has another way to write half a surrogate pair, and the official SDK needs it.
                arguments = _HALF_PAIR.sub(_escaped, arguments)
                return self._more(index, tool_use(call_id, name, {}), arguments)

    def _more(self, key: _BlockKey, block: Any, text: str) -> bytes:
        """More of one block, which is opened for it if need be."""
        opened = b"" if key == self._open else self._close() + self._begin(key, block)
        if isinstance(key, int):
            self._arguments.append(text)
        return opened + (self._delta(text) if text else b"")

    def _begin(self, key: _BlockKey, block: Any) -> bytes:
        self._open = key
        self._proof = ""
        self._index += 1
        self._arguments = []
        kind, field = _DELTAS.get(key, ("input_json_delta", "partial_json"))
        self._before_delta = (
            "event: content_block_delta\n"
            f'data: {{"type":"content_block_delta","index":{self._index},"delta":{{"type":"{kind}","{field}":'
        )
        return _event("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, text: str) -> bytes:
        return f"{self._before_delta}{compact(text)}}}}}\n\n".encode()

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        if isinstance(self._open, int):
            self._finished_calls.add(self._open)
        stop = _event("content_block_stop", {"index": self._index})
        if self._open not in {"thinking", "progress"}:
            return stop
        proof = SEAL if self._open == "progress" else self._proof or signature(self._run_id)
        signed = {"type": "signature_delta", "signature": proof}
        return _event("content_block_delta", {"index": self._index, "delta": signed}) + stop

    def _ending(self, finished: AnswerFinished) -> bytes:
        """What still waits, block by block, and the last events.

        The extension rides on the last but one: SDKs make the very last into an event of their own.
        """
        waiting, open_now = self._waiting, self._open
        waiting.sort(key=lambda piece: (_key(piece) != open_now, *_place(piece)))
        rest = b"".join(map(self._piece, waiting)) + self._close()
        delta = {
            "container": None,
            "stop_details": None,
            "stop_reason": stop_reason(finished),
            "stop_sequence": finished.stop_sequence or None,
        }
        usage = token_counts(finished.usage)
        ours = extension(self._run_id, finished)
        return rest + _event("message_delta", {"delta": delta, "usage": usage, "stellarator": ours}) + _STOP


def error_event(fault: Fault, request_id: str) -> bytes:
    """The last piece of a stream that failed."""
    return frame(compact(anthropic_envelope(fault, request_id)), event="error")


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return frame(compact({"type": name, **fields}), event=name)


def _key(piece: _Piece) -> _BlockKey:
    match piece:
        case TextDelta():
            return "text"
        case ReasoningDelta():
            return "thinking"
        case ToolCallDelta(index):
            return index


def _place(piece: _Piece) -> tuple[int, int]:
    """Where waiting pieces go: what was said first, then the calls in their order."""
    return (1, piece.index) if isinstance(piece, ToolCallDelta) else (0, 0)


def _escaped(half_pair: re.Match[str]) -> str:
    return f"\\u{ord(half_pair[0]):04x}"
