"""What the client sees of the main LLM's turns: a filter over the stream, without I/O.

The main LLM may take several turns in one run: it speaks, calls a mounted tool, speaks again. The client sees one
answer. So calls of mounted tools are held back, calls of the client's own tools are re-numbered and given ids
that name the run (`workflows.splicing`), text of
different turns is set apart by a blank line, and thinking that a model writes into its text (``<think>``) is
moved to the reasoning, where it belongs. What comes out is exactly what `message` sums up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workflows.messages import (
    Completion,
    Delta,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    StreamItem,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from workflows.splicing import given_id
from workflows.think_splitter import ThinkSplitter

_TURN_BREAK = "\n\n"


class Relay:
    """One run's visible answer, turn by turn.

    Args:
        run_id: gives the client's calls their ids.
        mounted: tools whose calls are the server's own business.
        parallel: whether the client takes several calls at once. Not every provider obeys when it does not, so the
            first call is shown then and no other.
    """

    def __init__(self, run_id: str, mounted: frozenset[str] = frozenset(), *, parallel: bool = True) -> None:
        self._run_id = run_id
        self._mounted = mounted
        self._parallel = parallel
        self.given: dict[str, str] = {}
        """The ids of the client's calls: as the client was given them, to the model's own."""
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._signature = ""
        self._calls: list[ToolCall] = []
        self.begin_turn()

    def feed(self, item: StreamItem) -> Iterator[Delta]:
        """Yield the deltas that the client may see; a `Completion` ends the turn."""
        match item:
            case TextDelta(text):
                for piece in self._splitter.feed(text):
                    yield from self._speak(piece)
            case ReasoningDelta():
                yield from self._speak(item)
            case ToolCallDelta():
                yield from self._call(item)
            case Completion():
                for piece in self._splitter.end():
                    yield from self._speak(piece)
                self._calls += self._open_calls.values()
                self.begin_turn()

    @property
    def message(self) -> Message:
        """The sum of all deltas so far."""
        parts: list[Part] = []
        if self._thinking:
            parts.append(Reasoning("".join(self._thinking), self._signature))
        if self._text:
            parts.append(Text("".join(self._text)))
        return Message("assistant", (*parts, *self._calls))

    def begin_turn(self) -> None:
        """Forget what was held back of a turn, or of an attempt at it, that broke off."""
        self._splitter = ThinkSplitter()
        self._indexes: dict[int, int | None] = {}
        self._open_calls: dict[int, ToolCall] = {}
        self._spoke = False

    def _speak(self, delta: TextDelta | ReasoningDelta) -> Iterator[Delta]:
        if isinstance(delta, ReasoningDelta):
            self._thinking.append(delta.text)
            self._signature = delta.signature or self._signature
            yield delta
            return
        if not delta.text:
            return
        if self._text and not self._spoke:
            self._text.append(_TURN_BREAK)
            yield TextDelta(_TURN_BREAK)
        self._spoke = True
        self._text.append(delta.text)
        yield delta

    def _call(self, delta: ToolCallDelta) -> Iterator[Delta]:
        if delta.index not in self._indexes:
            shown = len(self._calls) + len(self._open_calls)
            hidden = delta.name in self._mounted or (shown > 0 and not self._parallel)
            self._indexes[delta.index] = None if hidden else shown
        index = self._indexes[delta.index]
        if index is None:
            return
        before = self._open_calls.get(index)
        if before is None:
            given = given_id(self._run_id, index + 1)
            self.given[given] = delta.id
            self._open_calls[index] = ToolCall(given, delta.name, delta.arguments)
            yield ToolCallDelta(index, given, delta.name, delta.arguments)
            return
        self._open_calls[index] = replace(before, arguments=before.arguments + delta.arguments)
        yield ToolCallDelta(index, arguments=delta.arguments)


def retold(completion: Completion) -> Iterator[StreamItem]:
    """An answer that is over, as a stream again: each part in one piece, then its end."""
    for part in completion.message.parts:
        match part:
            case Text(text):
                yield TextDelta(text)
            case Reasoning(text, signature):
                yield ReasoningDelta(text, signature)
            case _:
                continue
    for index, call in enumerate(completion.message.tool_calls):
        yield ToolCallDelta(index, call.id, call.name, call.arguments)
    yield completion
