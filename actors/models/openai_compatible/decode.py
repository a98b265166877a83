"""Chat Completions answers as neutral deltas, and their sum as a `Completion`. Pure.

The format is OpenAI's, ``chat.completion.chunk`` and ``chat.completion``. Where servers differ, this is lenient:
thinking is called ``reasoning_content`` or ``reasoning``; calls come without an index, without an id, or with
arguments that are an object; a server that does not stream answers in one piece; some give no finish reason, and
some no usage, which is then estimated and marked so. Think tags within the text are left to `workflows.relay`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from actors.models.estimate import estimate
from actors.models.openai_compatible.proofs import BLOCK_FIELDS, TEXT_FIELDS, proof
from workflows.errors import UpstreamMalformed, UpstreamRefused
from workflows.messages import (
    ChatRequest,
    Completion,
    Delta,
    FinishReason,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
}
_STOPPED_BY = ("stop_reason", "matched_stop")
"""vLLM's and SGLang's names for the stop sequence that ended an answer; elsewhere nobody tells."""

_GROWING = {"reasoning.text": "text", "reasoning.summary": "summary", "thinking": "thinking"}


@dataclass(slots=True)
class _Call:
    """A tool call being written. What comes before its name is held back: the first delta must carry the name.

    `index` is its place among the calls that have names, so that the deltas count as their sum does.
    """

    id: str = ""
    index: int = -1
    name: str = ""
    arguments: str = ""
    told: int = field(default=0)

    def grow(self, function: Mapping[str, Any], place: int) -> Iterator[Delta]:
        """Yield what is new; `place` is the call's once it has a name."""
        arguments = function.get("arguments") or ""
        self.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)
        began = bool(self.name)
        self.name = self.name or str(function.get("name") or "")
        if not self.name:
            return
        fresh, self.told = self.arguments[self.told :], len(self.arguments)
        if not began:
            self.index = place
            yield ToolCallDelta(self.index, self.id, self.name, fresh)
        elif fresh:
            yield ToolCallDelta(self.index, arguments=fresh)


class Answer:
    """One answer being put together."""

    def __init__(self, model: str, request: ChatRequest, dropped: tuple[str, ...] = ()) -> None:
        self._model = model
        self._dropped = dropped
        self._request = request
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._thinking_field = ""
        self._is_proven = False
        self._blocks: dict[str, list[dict[str, Any]]] = {}
        self._named: list[_Call] = []
        self._at: dict[int, _Call] = {}
        self._finish = ""
        self._stopped_by = ""
        self._usage = Usage()
        self._cost: float | None = None
        self._id = ""
        self._answered_by = ""

    def feed(self, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        """Yield what one chunk, or an answer in one piece, adds.

        Raises:
            UpstreamMalformed: it has not the shape of one.
        """
        try:
            yield from self._chunk(chunk)
        except (AttributeError, TypeError, ValueError) as error:
            raise UpstreamMalformed(self._model, "the server sent a chunk of an unknown shape") from error

    def completion(self, *, done: bool = False) -> Completion:
        """The sum of all chunks.

        Args:
            done: the server said that the answer is over, which some do without giving a finish reason.

        Raises:
            UpstreamMalformed: the stream broke off, or there is neither text nor a tool call.
            UpstreamRefused: the provider's filter left nothing of the answer.
        """
        if not self._finish and not done:
            raise UpstreamMalformed(self._model, "the stream broke off before the answer ended")
        calls = self._named
        if not self._text and not calls:
            raise self._empty()
        message = Message("assistant", tuple(self._parts(calls)))
        reason = _REASONS.get(self._finish.lower(), "stop")
        if calls and reason == "stop":
            reason = "tool_calls"
        usage = self._usage if self._usage != Usage() else estimate(self._request, message)
        model = self._answered_by or self._model
        return Completion(
            message, reason, usage, model, self._cost, self._id, self._stopped_by, self._dropped
        )

    def _chunk(self, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        self._id = self._id or str(chunk.get("id") or "")
        self._answered_by = self._answered_by or str(chunk.get("model") or "")
        if usage := chunk.get("usage"):
            self._usage, self._cost = read_usage(usage), _money(usage.get("cost"))
        for choice in (chunk.get("choices") or ())[:1]:
            self._finish = str(choice.get("finish_reason") or self._finish)
            told = (choice.get(name) for name in _STOPPED_BY)
            self._stopped_by = next((s for s in told if s in self._request.sampling.stop), self._stopped_by)
            yield from self._delta(choice.get("delta") or choice.get("message") or {})

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Delta]:
        for name in TEXT_FIELDS:
            if thinking := _words(delta.get(name)):
                self._thinking_field = name
                self._reasoning.append(thinking)
                yield ReasoningDelta(thinking)
                break
        for name in BLOCK_FIELDS:
            for block in delta.get(name) or ():
                _add_block(self._blocks.setdefault(name, []), block)
        if text := _words(delta.get("content")) or _words(delta.get("refusal")):
            yield from self._prove()
            self._text.append(text)
            yield TextDelta(text)
        for position, call in enumerate(delta.get("tool_calls") or ()):
            yield from self._prove()
            known = self._call(position, call)
            yield from known.grow(call.get("function") or {}, len(self._named))
            if known.index == len(self._named):
                self._named.append(known)

    def _prove(self) -> Iterator[Delta]:
        """Sign what was thought before the model speaks. Blocks that come later are in the completion only."""
        if not self._is_proven and (signature := self._signature):
            self._is_proven = True
            yield ReasoningDelta("", signature)

    @property
    def _signature(self) -> str:
        return proof(self._model, self._thinking_field, self._blocks)

    def _call(self, position: int, told: Mapping[str, Any]) -> _Call:
        """The call that a piece belongs to."""
        index, call_id = told.get("index"), str(told.get("id") or "")
        place = position if index is None else int(index)
        known = self._at.get(place)
        if known is None or (_named(told) and known.name and _another(known, call_id, index)):
            known = _Call(call_id or f"call_{uuid4().hex[:24]}")
            self._at[place] = known
        return known

    def _parts(self, calls: Sequence[_Call]) -> Iterator[Part]:
        if self._reasoning:
            yield Reasoning("".join(self._reasoning), self._signature)
        elif self._blocks:
            yield Reasoning("", self._signature)
        if self._text:
            yield Text("".join(self._text))
        for call in calls:
            yield ToolCall(call.id, call.name, call.arguments)

    def _empty(self) -> UpstreamMalformed | UpstreamRefused:
        reason = _REASONS.get(self._finish.lower())
        if reason == "content_filter":
            return UpstreamRefused(self._model, "the provider's content filter stopped the answer")
        if reason == "length" and self._reasoning:
            return UpstreamMalformed(self._model, "all tokens went into thinking; raise `max_tokens`")
        return UpstreamMalformed(self._model, "the answer is empty")


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """A usage object; details that a server leaves out are 0. DeepSeek counts cache hits under a name of its own."""
    asked = usage.get("prompt_tokens_details") or {}
    answered = usage.get("completion_tokens_details") or {}
    return Usage(
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        int(asked.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0),
        int(answered.get("reasoning_tokens") or 0),
    )


def _named(told: Mapping[str, Any]) -> bool:
    return bool((told.get("function") or {}).get("name"))


def _another(known: _Call, call_id: str, index: object) -> bool:
    """Whether a named piece at a known place begins another call.

    Ollama and Gemini put every call at place 0; a new id tells them apart, and without ids and indexes every piece is
    a call. A new id alone would not do: vLLM has sent one with each piece of the same call.
    """
    return call_id != known.id if call_id else index is None


def _add_block(blocks: list[dict[str, Any]], fresh: Mapping[str, Any]) -> None:
    """Add a piece of a thinking block; pieces of one text are joined, up to and with its signature."""
    kind = fresh.get("type")
    last = blocks[-1] if blocks else {}
    growing = _GROWING.get(str(kind))
    same = (last.get("type"), last.get("index")) == (kind, fresh.get("index")) and not last.get("signature")
    if growing and same:
        text = f"{last.get(growing) or ''}{fresh.get(growing) or ''}"
        last.update({name: value for name, value in fresh.items() if value is not None}, **{growing: text})
    else:
        blocks.append(dict(fresh))


def _words(value: object) -> str:
    """Text, also from a server that sends a list of text parts."""
    if isinstance(value, list):
        return "".join(_words(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _money(value: object) -> float | None:
    """US dollars, as OpenRouter reports them."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
