"""Calls the embedded demo model: Chat Completions, with the help that 135M parameters need.

request -> a tool?  asked with a JSON schema (`choosing`)
        -> answer:  the conversation as plain turns that fit into a slot (`shaping`), JSON with bounds
                    (`tightening`), few tokens, a penalty on repetition
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from uuid import uuid4

import httpx

from actors.models.embedded import choosing
from actors.models.embedded.server import SLOT_TOKENS
from actors.models.embedded.shaping import fitted, left_out, plain
from actors.models.embedded.tightening import ANY_OBJECT, longest, tightened
from actors.models.openai_compatible.client import OpenAICompatibleModel
from workflows.errors import UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from workflows.messages import (
    ChatRequest,
    Completion,
    Message,
    ResponseFormat,
    Sampling,
    StreamItem,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)

DEFAULT_ANSWER_TOKENS = 160
MAX_ANSWER_TOKENS = 512
"""A client that allows thousands must not wait minutes for this model's rambling."""

_CHARACTERS_PER_JSON_TOKEN = 2  # twice what it really takes
_MARGIN_TOKENS = 32
_STEPS_DOWN = (1.0, 0.6, 0.35)
"""Shares of the slot that a prompt is cut to, for texts that have more tokens than estimated."""

_ONE_CALL_A_CONNECTION = {"connection": "close"}
# The server drops kept connections without a word, now and then while the next call is being written to one.

_AGAINST_LOOPS = {
    "dry_multiplier": 0.8,
    "dry_allowed_length": 4,
    "dry_penalty_last_n": 48,  # its own last lines; the prompt's words it may say again
    "dry_sequence_breakers": ["<|im_end|>"],  # by default a new line begins with a clean slate
}
# llama.cpp's DRY sampler: a penalty on continuing a sequence that has been said before. A plain penalty on repeated
# words drives a model of this size off its topic, because the topic's words are repeated, too.


class EmbeddedModel:
    """The model of this node's `EmbeddedServer`.

    Args:
        pool: connections.
        base_url: where the server is; asked on the first call, and again when the server cannot be reached.
        model: the name in errors and answers.
    """

    def __init__(self, pool: httpx.AsyncClient, base_url: Callable[[], Awaitable[str]], model: str) -> None:
        self._pool = pool
        self._base_url = base_url
        self._model = model
        self._server: OpenAICompatibleModel | None = None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream an answer, or one tool call with the user's last message as its arguments."""
        choice = await self._choice(request)
        if choice.tool is not None:
            for item in self._called(choice, request):
                yield item
            return
        async with aclosing(self._answer(replace(request, tools=()))) as items:
            async for item in items:
                if isinstance(item, Completion):
                    yield replace(item, usage=choice.usage + item.usage, dropped=_dropped(request))
                else:
                    yield item

    async def _choice(self, request: ChatRequest) -> _Choice:
        tools = choosing.callable_tools(request)
        if not tools:
            return _Choice()
        if settled := choosing.settled(request, tools):
            return _Choice(settled)
        completion = Completion(Message("assistant", ()), "stop")
        async with aclosing(self._answer(choosing.question(request, tools))) as items:
            async for item in items:
                if isinstance(item, Completion):
                    completion = item
        return _Choice(choosing.chosen(completion.message.text, request, tools), completion.usage)

    def _called(self, choice: _Choice, request: ChatRequest) -> tuple[StreamItem, ...]:
        assert choice.tool is not None  # noqa: S101  # for the type checker
        arguments = choosing.arguments(choice.tool, request.last_user_text)
        call = ToolCall(f"call_{uuid4().hex[:16]}", choice.tool.name, arguments)
        message = Message("assistant", (call,))
        return (
            ToolCallDelta(0, call.id, call.name, call.arguments),
            Completion(message, "tool_calls", choice.usage, self._model, 0.0, dropped=_dropped(request)),
        )

    async def _answer(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream an answer; a prompt that proves too long is cut further, a server that moved is looked up again."""
        asked = _bounded(request)
        room = SLOT_TOKENS - (asked.sampling.max_tokens or 0) - _MARGIN_TOKENS
        for share in _STEPS_DOWN:
            fit = replace(asked, messages=fitted(plain(request.messages), int(room * share)))
            try:
                async with aclosing(self._connected(fit)) as items:
                    async for item in items:
                        yield item
            except UpstreamRefused as error:
                if "context size" not in error.detail or share == _STEPS_DOWN[-1]:
                    raise
            else:
                return

    async def _connected(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        known, begun = self._server is not None, False
        try:
            async with aclosing((await self._reached()).stream(request)) as items:
                async for item in items:
                    begun = True
                    yield item
        except (UpstreamUnavailable, UpstreamTimeout) as error:
            self._server = None
            if begun or not known or error.status is not None:
                raise
        else:
            return
        async with aclosing((await self._reached()).stream(request)) as items:
            async for item in items:
                yield item

    async def _reached(self) -> OpenAICompatibleModel:
        if self._server is None:
            base_url = await self._base_url()
            self._server = OpenAICompatibleModel(
                self._pool, base_url, self._model, headers=_ONE_CALL_A_CONNECTION
            )
        return self._server


@dataclass(frozen=True, slots=True)
class _Choice:
    """The tool to call, None for an answer; and what it took to choose."""

    tool: Tool | None = None
    usage: Usage = Usage()


def _dropped(request: ChatRequest) -> tuple[str, ...]:
    """What this model cannot take of a request."""
    effort = ("reasoning_effort",) if request.sampling.reasoning_effort else ()
    return (*left_out(request.messages), *effort)


def _bounded(request: ChatRequest) -> ChatRequest:
    """The request with an end: few tokens, or a JSON schema with the tokens that its longest answer takes."""
    wanted = request.response_format
    defaults = Sampling(
        temperature=0.0, max_tokens=DEFAULT_ANSWER_TOKENS, frequency_penalty=0.1, extra=_AGAINST_LOOPS
    )
    sampling = replace(request.sampling.over(defaults), reasoning_effort=None)
    if wanted is None:
        limit = min(sampling.max_tokens or DEFAULT_ANSWER_TOKENS, MAX_ANSWER_TOKENS)
        return replace(request, sampling=replace(sampling, max_tokens=limit))
    schema = tightened(wanted.schema if wanted.schema is not None else ANY_OBJECT)
    needed = longest(schema) // _CHARACTERS_PER_JSON_TOKEN + _MARGIN_TOKENS
    return replace(
        request,
        response_format=ResponseFormat("json_schema", wanted.name or "answer", schema, wanted.strict),
        sampling=replace(sampling, max_tokens=min(needed, SLOT_TOKENS // 2)),
    )
