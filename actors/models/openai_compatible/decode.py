"""Chat Completions chunks as neutral deltas, and their sum as a `Completion`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.errors import UpstreamMalformed
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

CHARACTERS_PER_TOKEN = 4
"""For servers that report no usage; such a count is marked as estimated."""

_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class Answer:
    """One streamed answer being put together."""

    def __init__(self, model: str, request: ChatRequest) -> None:
        self._model = model
        self._request = request
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._finish = ""
        self._usage: Usage | None = None
        self._cost: float | None = None
        self._id = ""
        self._answered_by = ""

    def feed(self, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        """Yield what one chunk adds."""
        self._id = self._id or str(chunk.get("id") or "")
        self._answered_by = self._answered_by or str(chunk.get("model") or "")
        if usage := chunk.get("usage"):
            self._usage, self._cost = read_usage(usage), _number(usage.get("cost"))
        for choice in chunk.get("choices") or ():
            self._finish = choice.get("finish_reason") or self._finish
            yield from self._delta(choice.get("delta") or {})

    def completion(self, *, done: bool = False) -> Completion:
        """The sum of all chunks; a stream that broke off is `UpstreamMalformed`.

        `done`: the server said that the stream is over, which some do without giving a finish reason.
        """
        if not self._finish and not done:
            raise UpstreamMalformed(self._model, "the stream broke off before the answer ended")
        parts: list[Part] = []
        if self._reasoning:
            parts.append(Reasoning("".join(self._reasoning)))
        if self._text:
            parts.append(Text("".join(self._text)))
        parts += [ToolCall(call[0] or f"call_{index}", call[1], call[2]) for index, call in self._ordered()]
        reason = _REASONS.get(self._finish, "stop")
        if self._calls and reason == "stop":
            reason = "tool_calls"
        usage = self._usage or self._estimate()
        message = Message("assistant", tuple(parts))
        return Completion(message, reason, usage, self._answered_by or self._model, self._cost, self._id)

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Delta]:
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thinking, str) and thinking:
            self._reasoning.append(thinking)
            yield ReasoningDelta(thinking)
        text = delta.get("content")
        if isinstance(text, str) and text:
            self._text.append(text)
            yield TextDelta(text)
        for position, call in enumerate(delta.get("tool_calls") or ()):
            yield self._call(position, call)

    def _call(self, position: int, call: Mapping[str, Any]) -> ToolCallDelta:
        index = call.get("index")
        index = position if index is None else int(index)
        function = call.get("function") or {}
        known = self._calls.setdefault(index, ["", "", ""])
        fresh_id = "" if known[0] else str(call.get("id") or "")
        fresh_name = "" if known[1] else str(function.get("name") or "")
        arguments = function.get("arguments") or ""
        known[0] += fresh_id
        known[1] += fresh_name
        known[2] += arguments
        return ToolCallDelta(index, fresh_id, fresh_name, arguments)

    def _ordered(self) -> list[tuple[int, list[str]]]:
        return sorted(self._calls.items())

    def _estimate(self) -> Usage:
        asked = sum(len(message.text) for message in self._request.messages)
        written = sum(map(len, (*self._text, *self._reasoning))) + sum(
            len(call[2]) for call in self._calls.values()
        )
        return Usage(_tokens(asked), _tokens(written), estimated=True)


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """A usage object; details that a server leaves out are 0."""
    asked = usage.get("prompt_tokens_details") or {}
    answered = usage.get("completion_tokens_details") or {}
    return Usage(
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        int(asked.get("cached_tokens") or 0),
        int(answered.get("reasoning_tokens") or 0),
    )


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
