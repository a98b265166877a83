"""The law of every model's stream, stated once: deltas, then exactly one completion that equals their sum."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from workflows.messages import (
    Completion,
    Delta,
    Reasoning,
    ReasoningDelta,
    StreamItem,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)


async def drained(stream: AsyncGenerator[StreamItem, None]) -> list[StreamItem]:
    async with aclosing(stream) as items:
        return [item async for item in items]


def lawful(items: Sequence[StreamItem]) -> Completion:
    """Check the law and return the completion."""
    *deltas, last = items
    assert isinstance(last, Completion)
    assert not any(isinstance(item, Completion) for item in deltas)
    check_sum([item for item in deltas if not isinstance(item, Completion)], last)
    return last


def check_sum(deltas: Sequence[Delta], completion: Completion) -> None:
    message = completion.message
    thought = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == message.text
    assert "".join(d.text for d in deltas if isinstance(d, ReasoningDelta)) == thought
    assert summed_calls(deltas) == list(message.tool_calls)


def summed_calls(deltas: Sequence[Delta]) -> list[ToolCall]:
    calls: dict[int, ToolCall] = {}
    for delta in deltas:
        if not isinstance(delta, ToolCallDelta):
            continue
        if delta.index not in calls:
            assert delta.id, "a call's first delta carries its id"
            assert delta.name, "a call's first delta carries its name"
            calls[delta.index] = ToolCall(delta.id, delta.name, delta.arguments)
        else:
            before = calls[delta.index]
            assert (delta.id, delta.name) == ("", ""), "id and name come once"
            calls[delta.index] = ToolCall(before.id, before.name, before.arguments + delta.arguments)
    return [calls[index] for index in sorted(calls)]
