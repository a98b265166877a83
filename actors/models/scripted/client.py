"""The fake model, in process: answers, tool calls, delays and failures by script. Costs nothing, reaches nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from actors.models.openai_compatible.faults import from_status
from actors.models.scripted.script import Rule, Script, said
from workflows.errors import UpstreamMalformed, UpstreamRefused, UpstreamUnavailable
from workflows.messages import (
    ChatRequest,
    Completion,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    StreamItem,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class ScriptedModel:
    """Plays a script."""

    def __init__(self, script: Script, model: str = "scripted") -> None:
        self._script = script
        self._model = model

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Play the rule that fits this request."""
        turn = self._script.turn(request, self._model)
        if turn is None:
            raise UpstreamRefused(self._model, "no rule of the script fits this request", 400)
        rule = turn.rule
        await asyncio.sleep(turn.delay)
        if rule.hang:
            await asyncio.Event().wait()
        if rule.fail is not None:
            headers = {"retry-after": str(rule.fail.retry_after)} if rule.fail.retry_after is not None else {}
            raise from_status(self._model, rule.fail.status, headers, rule.fail.message.encode())
        if rule.reasoning:
            yield ReasoningDelta(rule.reasoning)
        for number, piece in enumerate(rule.pieces(request)):
            if number and rule.pace:
                await asyncio.sleep(rule.pace)
            yield TextDelta(piece)
            if rule.disconnect:
                raise UpstreamUnavailable(self._model, "the connection failed (scripted)")
        for index, call in enumerate(tool_calls(rule)):
            yield ToolCallDelta(index, call.id, call.name, call.arguments)
        answer = completion(rule, request, self._model)
        if not answer.message.text and not answer.message.tool_calls:
            raise UpstreamMalformed(self._model, "the answer is empty")
        yield answer


def tool_calls(rule: Rule) -> tuple[ToolCall, ...]:
    """The rule's tool calls, with ids."""
    return tuple(
        ToolCall(call.id or f"call_{call.name}_{index}", call.name, call.text)
        for index, call in enumerate(rule.tool_calls)
    )


def completion(rule: Rule, request: ChatRequest, model: str) -> Completion:
    """The whole answer; without scripted usage one token is one word."""
    calls, text = tool_calls(rule), rule.text(request)
    thinking: tuple[Part, ...] = (Reasoning(rule.reasoning),) if rule.reasoning else ()
    told: tuple[Part, ...] = (Text(text),) if text else ()
    words = sum(len(said(message).split()) for message in request.messages)
    usage = Usage(words, len(text.split()) + 5 * len(calls))
    if rule.usage is not None:
        usage = Usage(rule.usage.input, rule.usage.output)
    return Completion(
        Message("assistant", (*thinking, *told, *calls)),
        "tool_calls" if calls else "stop",
        usage,
        model,
        0.0,
    )
