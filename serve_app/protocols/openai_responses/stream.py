"""A streamed answer as Responses events: neutral events in, wire bytes out.

One encoder an answer, streamed or not: the response object at the end is the sum of the events by construction. A text
delta costs the JSON of its own text; all else of the event is put together once per item. Items come strictly one after
the other, because some clients know only one open item: of parallel tool calls the next begins when the open one is
a complete JSON object, or at the end.

    created, in_progress, (item added, its deltas, item done)*, completed | incomplete | failed
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serve_app.bodies import compact
from serve_app.errors import Fault
from serve_app.protocols.openai_responses import wire_out
from serve_app.protocols.openai_responses.body import extension, response_error, token_counts
from serve_app.protocols.openai_responses.pieces import (
    CallPiece,
    CompactionPiece,
    Event,
    Piece,
    Place,
    ProgressPiece,
    ReasoningPiece,
    SealedReasoningPiece,
    TextPiece,
    call_piece,
)
from serve_app.protocols.openai_responses.tools import ToolNames
from serve_app.sse import frame
from workflows.answer import AnswerEvent, AnswerFinished, Progress
from workflows.messages import ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage
from workflows.retelling import CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the request says about the form of its answer.

    Attributes:
        names: the client's tools.
        seals_thinking: whether thinking is also to come sealed, for clients that keep it themselves.
        is_compaction: whether the whole answer is one compaction item.
    """

    names: ToolNames
    seals_thinking: bool = False
    is_compaction: bool = False


@dataclass(slots=True)
class _Calls:
    """The tool calls of an answer as far as they are known, by index."""

    known: dict[int, ToolCall] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)
    open: int | None = None

    def add(self, delta: ToolCallDelta) -> None:
        before = self.known.get(delta.index, ToolCall("", "", ""))
        arguments = before.arguments + delta.arguments
        self.known[delta.index] = ToolCall(before.id or delta.id, before.name or delta.name, arguments)

    @property
    def open_is_complete(self) -> bool:
        if self.open is None:
            return True
        try:
            # Behind a whole object nothing can follow; a number, say, may still grow.
            return isinstance(json.loads(self.known[self.open].arguments), dict)
        except ValueError:
            return False


class ResponseEncoder:
    """Encodes one answer.

    Args:
        response: the response before there is an answer; `self.response` is the response at the end.
        run_id: the run that answers.
        form: the form of the answer.
        clock: Unix time in seconds, asked once, when the answer is complete.
        after: events up to this number are not told, but the last is in any case.
    """

    def __init__(
        self,
        response: wire_out.Response,
        run_id: str,
        form: Form,
        clock: Callable[[], float],
        after: int = -1,
    ) -> None:
        self.response = response
        self._run_id = run_id
        self._form = form
        self._clock = clock
        self._after = after
        self._number = -1
        self._output: list[dict[str, Any]] = []
        self._piece: Piece | None = None
        self._progress_items = 0
        self._calls = _Calls()

    def opening(self) -> bytes:
        """The first events."""
        told = self._snapshot("response.created")
        if self.response["status"] == "queued":
            told += self._snapshot("response.queued")
            self.response = {**self.response, "status": "in_progress"}
        return told + self.ping()

    def ping(self) -> bytes:
        """A sign of life: an event that every client knows and that changes nothing."""
        return self._snapshot("response.in_progress")

    def encode(self, event: AnswerEvent) -> bytes:
        """The bytes of one event; none for an event that this wire format does not show."""
        match event:
            case TextDelta(text):
                return self._told(CompactionPiece if self._form.is_compaction else TextPiece, text)
            case ReasoningDelta(text, signature) if not self._form.is_compaction:
                told = self._told(SealedReasoningPiece if self._form.seals_thinking else ReasoningPiece, text)
                if signature and isinstance(self._piece, SealedReasoningPiece):
                    self._piece.signature = signature
                return told
            case Progress(line) if not self._form.is_compaction:
                return self._told(ProgressPiece, f"{line}\n")
            case ToolCallDelta() if not self._form.is_compaction:
                return self._call(event)
            case AnswerFinished():
                return self._ending(event)
            case _:
                return b""

    def nothing(self) -> bytes:
        """The last event of a response for which nothing was to be generated."""
        self.response = {
            **self.response,
            "status": "completed",
            "completed_at": int(self._clock()),
            "usage": token_counts(Usage()),
        }
        return self._last("response.completed")

    def failed(self, fault: Fault) -> bytes:
        """The last event of an answer that failed; what was said until then stays in it."""
        if self._piece is not None:
            self._output.append(self._piece.item("incomplete"))
        is_cancelled = fault.code == CANCELLED.code
        self.response = {
            **self.response,
            "status": "cancelled" if is_cancelled else "failed",
            "error": None if is_cancelled else response_error(fault),
            "output": self._output,
        }
        return self._last("response.failed")

    # --- items ----------------------------------------------------------------------------------------------

    def _told(self, kind: type[Piece], text: str) -> bytes:
        if not text:
            return b""
        before = b""
        piece = self._piece
        if type(piece) is not kind:
            before = self._finish_calls()
            piece = kind(self._next_place(kind))
            before += self._begin(piece)
        return before + self._framed(piece.tell(text))

    def _call(self, delta: ToolCallDelta) -> bytes:
        calls = self._calls
        calls.add(delta)
        if calls.open == delta.index and self._piece:
            return self._framed(self._piece.tell(delta.arguments)) if delta.arguments else b""
        if delta.index in calls.told or not calls.open_is_complete:
            return b""
        return self._next_call(delta.index)

    def _next_call(self, index: int) -> bytes:
        """Finish what is open and begin this call, with what is known of it."""
        call = self._calls.known[index]
        place = self._next_place(CallPiece)
        piece = call_piece(place, call, self._form.names.tool(call.name))
        self._calls.open = index
        self._calls.told.add(index)
        begun = self._begin(piece)
        return begun + (self._framed(piece.tell(call.arguments)) if call.arguments else b"")

    def _finish_calls(self) -> bytes:
        """Tell the calls that had to wait."""
        waiting = [index for index in sorted(self._calls.known) if index not in self._calls.told]
        told = b"".join([self._next_call(index) for index in waiting])
        self._calls.open = None
        return told

    def _next_place(self, kind: type[Piece]) -> Place:
        index = len(self._output) + (self._piece is not None)
        before = self._progress_items + (type(self._piece) is ProgressPiece)
        number = f"p{before}" if kind is ProgressPiece else str(index - before)
        return Place(self._run_id, index, number)

    def _begin(self, piece: Piece) -> bytes:
        finished = self._finish("completed")
        self._piece = piece
        return finished + self._framed(piece.opening())

    def _finish(self, status: str) -> bytes:
        if self._piece is None:
            return b""
        events = self._piece.closing(status)
        self._progress_items += type(self._piece) is ProgressPiece
        self._output.append(self._piece.item(status))
        self._piece = None
        return self._framed(events)

    # --- the frame around them ------------------------------------------------------------------------------

    def _ending(self, finished: AnswerFinished) -> bytes:
        cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finished.finish_reason)
        told = self._finish_calls()
        if self._form.is_compaction and self._piece is None:
            # Its client needs exactly one item, also for a conversation that left nothing to say.
            told += self._begin(CompactionPiece(self._next_place(CompactionPiece)))
        told += self._finish("incomplete" if cut else "completed")
        ended: dict[str, Any] = {
            "status": "incomplete" if cut else "completed",
            "completed_at": None if cut else int(self._clock()),
            "incomplete_details": {"reason": cut} if cut else None,
            "output": self._output,
            "usage": token_counts(finished.usage),
            "stellarator": extension(self._run_id, finished),
        }
        self.response = {**self.response, **ended}  # type: ignore[typeddict-item]  # names are checked by tests
        return told + self._last("response.incomplete" if cut else "response.completed")

    def _last(self, kind: str) -> bytes:
        self._after = -1
        return self._framed([(kind, f'"response":{compact(self.response)}')])

    def _snapshot(self, kind: str) -> bytes:
        return self._framed([(kind, f'"response":{compact(self.response)}')])

    def _framed(self, events: list[Event]) -> bytes:
        framed = b""
        for kind, fields in events:
            self._number += 1
            if self._number <= self._after:
                continue
            framed += frame(f'{{"type":"{kind}","sequence_number":{self._number},{fields}}}', event=kind)
        return framed
