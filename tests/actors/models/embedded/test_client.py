"""Against servers on loopback that answer as llama.cpp's does."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from aiohttp import web

from actors.models.embedded.client import MAX_ANSWER_TOKENS, EmbeddedModel
from actors.models.scripted.server import serving
from tests.actors.models.conftest import Serve
from tests.actors.models.sums import drained, lawful
from workflows.errors import UpstreamRefused, UpstreamUnavailable
from workflows.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    Sampling,
    Text,
    TextDelta,
    Tool,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
)

MODEL = "smollm2-135m-instruct"
REVIEW = Tool(
    "review", "Convenes a panel.", {"properties": {"task": {"type": "string"}}, "required": ["task"]}
)
HELLO = ChatRequest((Message.of("user", "Hello"),))
OFFERED = ChatRequest((Message.of("user", "A plan"),), (REVIEW,))
RULES: list[dict[str, Any]] = [
    {
        "match": {"wants_json": True, "contains": "plan"},
        "json": {"next": "review"},
        "usage": {"input": 5, "output": 2},
    },
    {"match": {"wants_json": True}, "json": {"next": "answer"}, "usage": {"input": 5, "output": 2}},
    {"answer": "Good day to you", "chunks": 3, "usage": {"input": 10, "output": 4}},
]


def embedded(pool: httpx.AsyncClient, *addresses: str) -> EmbeddedModel:
    """A model whose server is at the first address, then at the second, and so on."""
    left = list(addresses)

    async def base_url() -> str:
        return left.pop(0)

    return EmbeddedModel(pool, base_url, MODEL)


def recording(bodies: list[dict[str, Any]], *, slot_characters: int = 10**9) -> Any:
    """A server that keeps what it was asked, and refuses prompts that are too long, in llama.cpp's words."""

    async def handler(http: web.Request) -> web.StreamResponse:
        told = await http.json()
        bodies.append(told)
        if sum(len(message["content"]) for message in told["messages"]) > slot_characters:
            problem = (
                "request (3031 tokens) exceeds the available context size (2048 tokens), try increasing it"
            )
            return web.json_response({"error": {"code": 400, "message": problem}}, status=400)
        chunk = {"choices": [{"delta": {"content": "Yes."}, "finish_reason": "stop"}]}
        body = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
        return web.Response(body=body, headers={"content-type": "text/event-stream"})

    return handler


async def test_an_answer_streams(pool: httpx.AsyncClient) -> None:
    async with serving(RULES) as upstream:
        items = await drained(embedded(pool, upstream.base_url).stream(HELLO))
    assert lawful(items).message.text == "Good day to you"
    assert sum(isinstance(item, TextDelta) for item in items) == 3


async def test_a_chosen_tool_is_called_with_the_users_words(pool: httpx.AsyncClient) -> None:
    async with serving(RULES) as upstream:
        items = await drained(embedded(pool, upstream.base_url).stream(OFFERED))
    completion = lawful(items)
    (call,) = completion.message.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("review", {"task": "A plan"})
    assert completion.finish_reason == "tool_calls"
    assert completion.usage == Usage(5, 2)
    assert isinstance(items[0], ToolCallDelta)


async def test_calls_have_ids_of_their_own(pool: httpx.AsyncClient) -> None:
    async with serving(RULES) as upstream:
        model = embedded(pool, upstream.base_url)
        answers = [lawful(await drained(model.stream(OFFERED))) for _ in range(2)]
    assert len({answer.message.tool_calls[0].id for answer in answers}) == 2


async def test_an_answer_instead_of_a_tool_counts_both_calls(pool: httpx.AsyncClient) -> None:
    async with serving(RULES) as upstream:
        request = ChatRequest((Message.of("user", "Hello"),), (REVIEW,))
        completion = lawful(await drained(embedded(pool, upstream.base_url).stream(request)))
    assert completion.message.text == "Good day to you"
    assert completion.usage == Usage(15, 6)


async def test_a_forced_tool_is_called_without_asking(pool: httpx.AsyncClient) -> None:
    model = embedded(pool)
    request = ChatRequest(OFFERED.messages, (REVIEW,), ToolChoice("named", "review"))
    assert lawful(await drained(model.stream(request))).message.tool_calls[0].name == "review"


async def test_after_a_result_it_answers_from_the_notes(pool: httpx.AsyncClient, serve: Serve) -> None:
    bodies: list[dict[str, Any]] = []
    url = await serve(recording(bodies))
    asked = OFFERED.extended(Message("tool", (ToolResult("c", (Text("It rains."),)),)))
    assert lawful(await drained(embedded(pool, f"{url}/v1").stream(asked))).message.text == "Yes."
    (body,) = bodies
    assert "tools" not in body
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert "It rains." in body["messages"][0]["content"]


async def test_answers_are_short_and_do_not_loop(pool: httpx.AsyncClient, serve: Serve) -> None:
    bodies: list[dict[str, Any]] = []
    model = embedded(pool, f"{await serve(recording(bodies))}/v1")
    await drained(model.stream(HELLO))
    wild = Sampling(temperature=1.0, max_tokens=100_000, reasoning_effort="high", extra={"dry_multiplier": 0})
    await drained(model.stream(ChatRequest(HELLO.messages, sampling=wild)))
    unset, wished = bodies
    assert unset["max_tokens"] <= wished["max_tokens"] == MAX_ANSWER_TOKENS
    assert unset["temperature"] == 0
    assert unset["dry_multiplier"] > 0
    assert wished["temperature"] == 1
    assert wished["dry_multiplier"] == 0
    assert "reasoning_effort" not in wished


@pytest.mark.parametrize(
    "wanted",
    [
        ResponseFormat("json_schema", "a", {"type": "object", "properties": {"why": {"type": "string"}}}),
        ResponseFormat("json_object"),
    ],
)
async def test_json_has_bounds_and_the_tokens_to_reach_its_end(
    pool: httpx.AsyncClient, serve: Serve, wanted: ResponseFormat
) -> None:
    bodies: list[dict[str, Any]] = []
    model = embedded(pool, f"{await serve(recording(bodies))}/v1")
    request = ChatRequest(HELLO.messages, response_format=wanted, sampling=Sampling(max_tokens=5))
    await drained(model.stream(request))
    told = bodies[0]["response_format"]
    assert told["type"] == "json_schema"
    (text,) = told["json_schema"]["schema"]["properties"].values()
    assert bodies[0]["max_tokens"] > text["maxLength"] / 2


async def test_a_prompt_with_more_tokens_than_estimated_is_cut_again(
    pool: httpx.AsyncClient, serve: Serve
) -> None:
    bodies: list[dict[str, Any]] = []
    url = await serve(recording(bodies, slot_characters=4000))
    request = ChatRequest((Message.of("user", "word " * 5000),))
    answer = lawful(await drained(embedded(pool, f"{url}/v1").stream(request)))
    assert answer.message.text == "Yes."
    sizes = [len(body["messages"][-1]["content"]) for body in bodies]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) > 1


async def test_a_prompt_that_never_fits_is_refused(pool: httpx.AsyncClient, serve: Serve) -> None:
    url = await serve(recording([], slot_characters=1))
    with pytest.raises(UpstreamRefused, match="context size"):
        await drained(embedded(pool, f"{url}/v1").stream(HELLO))


async def test_a_server_that_moved_is_looked_up_again(pool: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as later:
        addresses: list[str] = []

        async def base_url() -> str:
            return addresses.pop()

        model = EmbeddedModel(pool, base_url, MODEL)
        async with serving(RULES) as before:
            addresses.append(before.base_url)
            lawful(await drained(model.stream(HELLO)))
        after = await later.enter_async_context(serving(RULES))
        addresses.append(after.base_url)
        assert lawful(await drained(model.stream(HELLO))).message.text == "Good day to you"
        assert len(after.seen) == 1


async def test_the_address_is_asked_for_once(pool: httpx.AsyncClient) -> None:
    async with serving(RULES) as upstream:
        model = embedded(pool, upstream.base_url)
        for _ in range(3):
            lawful(await drained(model.stream(HELLO)))
        assert len({seen.caller for seen in upstream.seen}) == 3, "one call a connection"


async def test_a_new_address_that_fails_too_is_an_error(pool: httpx.AsyncClient) -> None:
    async with serving(RULES) as upstream:
        gone = upstream.base_url
        model = embedded(pool, gone, gone)
        lawful(await drained(model.stream(HELLO)))
    with pytest.raises(UpstreamUnavailable):
        await drained(model.stream(HELLO))
