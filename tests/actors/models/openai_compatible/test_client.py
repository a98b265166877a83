"""Against real servers on loopback: the scripted upstream, and odd ones written out byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from aiohttp import web

from actors.models.openai_compatible.client import OpenAICompatibleModel, endpoint
from actors.models.openai_compatible.pool import connection_pool
from actors.models.scripted.server import serving
from tests.actors.models.conftest import Serve, eventually
from tests.actors.models.sums import drained, lawful
from workflows.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from workflows.messages import (
    ChatRequest,
    Message,
    Reasoning,
    Sampling,
    TextDelta,
    ToolCall,
)

HELLO = ChatRequest((Message.of("user", "Hello"),))
KEY = "the-key-that-nobody-may-see"


def events(*told: object, done: bool = True) -> bytes:
    wire = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in told)
    return wire + b"data: [DONE]\n\n" if done else wire


def text(piece: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": piece}, "finish_reason": finish}]}


def answering(
    body: bytes, status: int = 200, kind: str = "text/event-stream", **headers: str
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={"content-type": kind, **headers})

    return handler


async def test_an_answer_is_streamed_and_adds_up(pool: httpx.AsyncClient) -> None:
    rules = [
        {"answer": "Hello, world", "chunks": 4, "reasoning": "greet", "usage": {"input": 7, "output": 3}}
    ]
    async with serving(rules) as upstream:
        items = await drained(OpenAICompatibleModel(pool, upstream.base_url, "m").stream(HELLO))
    completion = lawful(items)
    assert completion.message.text == "Hello, world"
    assert completion.message.parts[0] == Reasoning("greet", "reasoning_content")
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (7, 3)
    assert not completion.usage.estimated
    assert sum(isinstance(item, TextDelta) for item in items) == 4


async def test_tokens_are_passed_on_as_they_come(pool: httpx.AsyncClient, serve: Serve) -> None:
    more = asyncio.Event()

    async def handler(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(http)
        await response.write(events(text("first"), done=False))
        await more.wait()
        await response.write(events(text("second", "stop")))
        return response

    async with aclosing(OpenAICompatibleModel(pool, await serve(handler), "m").stream(HELLO)) as items:
        assert await anext(items) == TextDelta("first")
        more.set()
        assert await anext(items) == TextDelta("second")


async def test_tool_calls_arrive_whole(pool: httpx.AsyncClient) -> None:
    rules = [{"tool_calls": [{"name": "f", "arguments": {"x": 1}, "id": "a"}, {"name": "g", "id": "b"}]}]
    async with serving(rules) as upstream:
        completion = lawful(await drained(OpenAICompatibleModel(pool, upstream.base_url, "m").stream(HELLO)))
    assert completion.message.tool_calls == (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "{}"))
    assert completion.finish_reason == "tool_calls"


async def test_the_request_carries_model_key_headers_and_the_wish_for_usage(
    pool: httpx.AsyncClient, serve: Serve
) -> None:
    asked: list[tuple[str, Any, Any]] = []

    async def handler(http: web.Request) -> web.StreamResponse:
        asked.append((http.path, http.headers.copy(), await http.json()))
        return web.Response(body=events(text("ok", "stop")), headers={"set-cookie": "who=me"})

    model = OpenAICompatibleModel(pool, await serve(handler), "served/name", KEY, {"x-team": "blue"})
    for _ in range(2):
        lawful(await drained(model.stream(HELLO)))
    path, headers, told = asked[1]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["x-team"] == "blue"
    assert told["model"] == "served/name"
    assert told["stream_options"] == {"include_usage": True}
    assert "cookie" not in headers, "connections are shared between keys, cookies must not be"


async def test_half_a_surrogate_pair_does_not_stop_a_request(pool: httpx.AsyncClient) -> None:
    async with serving([{"echo": True}]) as upstream:
        model = OpenAICompatibleModel(pool, upstream.base_url, "m")
        completion = lawful(await drained(model.stream(ChatRequest((Message.of("user", "a\ud83d ä"),)))))
    assert completion.message.text == "a? ä"


async def test_answers_one_after_the_other_share_a_connection(pool: httpx.AsyncClient) -> None:
    async with serving([{"answer": "yes", "chunks": 3, "pace": 0.001}]) as upstream:
        model = OpenAICompatibleModel(pool, upstream.base_url, "m")
        for _ in range(5):
            lawful(await drained(model.stream(HELLO)))
        assert len({seen.caller for seen in upstream.seen}) == 1


async def test_hundreds_of_calls_wait_at_once(pool: httpx.AsyncClient) -> None:
    async with serving([{"answer": "yes", "delay": 0.3}]) as upstream:
        model = OpenAICompatibleModel(pool, upstream.base_url, "m")
        await asyncio.gather(*(drained(model.stream(HELLO)) for _ in range(300)))
        assert max(seen.started for seen in upstream.seen) < min(seen.ended for seen in upstream.seen)


# --- stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [{"hang": True}, {"answer": "x" * 1000, "chunks": 1000, "pace": 0.05}])
async def test_cancelling_a_call_closes_its_socket_at_once(
    pool: httpx.AsyncClient, rule: dict[str, Any]
) -> None:
    async with serving([rule]) as upstream:
        model = OpenAICompatibleModel(pool, upstream.base_url, "m")
        task = asyncio.create_task(drained(model.stream(HELLO)))
        await eventually(lambda: bool(upstream.seen))
        await asyncio.sleep(0.1)  # into the middle of the answer
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: upstream.seen[0].outcome == "aborted", 1.0)


async def test_closing_a_stream_closes_its_socket_at_once(pool: httpx.AsyncClient) -> None:
    async with serving([{"answer": "x" * 1000, "chunks": 1000, "pace": 0.05}]) as upstream:
        async with aclosing(OpenAICompatibleModel(pool, upstream.base_url, "m").stream(HELLO)) as items:
            await anext(items)
        await eventually(lambda: upstream.seen[0].outcome == "aborted", 1.0)


async def test_a_server_that_stays_after_done_does_not_hold_the_answer(
    pool: httpx.AsyncClient, serve: Serve
) -> None:
    left = asyncio.Event()

    async def handler(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(http)
        await response.write(events(text("ok", "stop")))
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    items = await drained(OpenAICompatibleModel(pool, await serve(handler), "m").stream(HELLO))
    assert lawful(items).message.text == "ok"
    await asyncio.wait_for(left.wait(), 5)


# --- what goes wrong --------------------------------------------------------------------------------------------


async def failure(model: OpenAICompatibleModel) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await drained(model.stream(HELLO))
    return caught.value


async def test_a_busy_server_says_when_to_come_back(pool: httpx.AsyncClient) -> None:
    async with serving([{"fail": {"status": 429, "message": "slow down", "retry_after": 1.5}}]) as upstream:
        error = await failure(OpenAICompatibleModel(pool, upstream.base_url, "m"))
    assert isinstance(error, UpstreamBusy)
    assert (error.retry_after, error.status, error.detail) == (1.5, 429, "slow down")


async def test_a_refusal_never_repeats_the_key(pool: httpx.AsyncClient, serve: Serve) -> None:
    body = json.dumps({"error": {"message": f"Bad key {KEY}"}}).encode()
    error = await failure(OpenAICompatibleModel(pool, await serve(answering(body, 401)), "m", KEY))
    assert isinstance(error, UpstreamRefused)
    assert KEY not in repr(error)
    assert error.status == 401


async def test_only_the_beginning_of_an_endless_error_is_read(pool: httpx.AsyncClient, serve: Serve) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(http)
        while True:
            await response.write(b"no " * 10_000)

    error = await failure(OpenAICompatibleModel(pool, await serve(handler), "m"))
    assert isinstance(error, UpstreamUnavailable)
    assert len(error.detail) < 320


async def test_a_connection_that_breaks_in_the_middle_is_unavailable(pool: httpx.AsyncClient) -> None:
    async with (
        serving([{"answer": "half an answer", "chunks": 3, "disconnect": True}]) as upstream,
        aclosing(OpenAICompatibleModel(pool, upstream.base_url, "m").stream(HELLO)) as items,
    ):
        assert await anext(items) == TextDelta("half ")
        with pytest.raises(UpstreamUnavailable):
            await anext(items)


async def test_a_server_that_hangs_up_before_it_answers_is_unavailable_not_slow(
    pool: httpx.AsyncClient, serve: Serve
) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        assert http.transport is not None
        http.transport.abort()
        return web.Response()

    error = await failure(OpenAICompatibleModel(pool, await serve(handler), "m"))
    assert type(error) is UpstreamUnavailable


async def test_nobody_at_the_address_is_unavailable_and_the_address_is_not_repeated(
    pool: httpx.AsyncClient,
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: refused
        error = await failure(
            OpenAICompatibleModel(pool, f"http://user:{KEY}@127.0.0.1:{bound.getsockname()[1]}/v1", "m")
        )
    assert type(error) is UpstreamUnavailable
    assert KEY not in str(error)


async def test_a_connection_that_is_not_accepted_in_time_is_a_timeout() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(full.getsockname())
    try:
        async with httpx.AsyncClient(timeout=0.2) as probe:
            with pytest.raises(httpx.ConnectTimeout):
                await probe.get(f"http://127.0.0.1:{full.getsockname()[1]}")
        async with connection_pool() as pool:
            pool.timeout = httpx.Timeout(None, connect=0.2)
            error = await failure(
                OpenAICompatibleModel(pool, f"http://127.0.0.1:{full.getsockname()[1]}", "m")
            )
        assert type(error) is UpstreamTimeout
    finally:
        for each in (full, *waiting):
            each.close()


async def test_a_server_without_tls_at_an_https_address_is_unavailable(
    pool: httpx.AsyncClient, serve: Serve
) -> None:
    base = (await serve(answering(b""))).replace("http://", "https://")
    error = await failure(OpenAICompatibleModel(pool, base, "m"))
    assert type(error) is UpstreamUnavailable
    assert isinstance(error.__cause__, httpx.HTTPError | ssl.SSLError | OSError)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (events({"error": {"code": 502, "message": "provider fell over"}}, done=False), UpstreamUnavailable),
        (events(text("half "), {"error": {"message": "x", "type": "overloaded_error"}}), UpstreamBusy),
        (b"data: not json\n\n", UpstreamMalformed),
        (b"data: [1, 2]\n\n", UpstreamMalformed),
        (events({"choices": "none"}), UpstreamMalformed),
        (events(text("half an ans"), done=False), UpstreamMalformed),
        (events(done=True), UpstreamMalformed),
        (b"", UpstreamMalformed),
        (b"<html>Welcome</html>", UpstreamMalformed),
    ],
)
async def test_what_a_stream_can_hold_beside_an_answer(
    pool: httpx.AsyncClient, serve: Serve, body: bytes, expected: type[UpstreamError]
) -> None:
    error = await failure(OpenAICompatibleModel(pool, await serve(answering(body)), "m"))
    assert type(error) is expected


@pytest.mark.parametrize("body", [b"{}", b"nonsense", b'{"error": {"message": "no", "code": 404}}'])
async def test_a_json_body_that_is_no_answer_is_our_error(
    pool: httpx.AsyncClient, serve: Serve, body: bytes
) -> None:
    error = await failure(
        OpenAICompatibleModel(pool, await serve(answering(body, kind="application/json")), "m")
    )
    assert isinstance(error, UpstreamMalformed | UpstreamRefused)


async def test_a_server_that_does_not_stream_is_understood(pool: httpx.AsyncClient, serve: Serve) -> None:
    whole = {"choices": [{"message": {"content": "at once"}, "finish_reason": "stop"}]}
    base = await serve(answering(json.dumps(whole).encode(), kind="application/json"))
    completion = lawful(await drained(OpenAICompatibleModel(pool, base, "m").stream(HELLO)))
    assert completion.message.text == "at once"


async def test_a_stream_that_forgets_done_is_complete_when_it_gave_a_reason(
    pool: httpx.AsyncClient, serve: Serve
) -> None:
    base = await serve(answering(events(text("ok", "stop"), done=False).rstrip()))
    assert lawful(await drained(OpenAICompatibleModel(pool, base, "m").stream(HELLO))).message.text == "ok"


# --- addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "full"),
    [
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h:1/", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1/chat/completions"),
    ],
)
def test_a_base_url_with_or_without_v1_leads_to_the_endpoint(base: str, full: str) -> None:
    assert endpoint(base) == full


def test_a_base_url_that_is_no_address_is_refused_when_the_model_is_made() -> None:
    with pytest.raises(UpstreamRefused, match="base_url"):
        OpenAICompatibleModel(httpx.AsyncClient(), "http://host:port", "m")


def test_only_openais_own_servers_get_the_newer_name_of_the_token_limit() -> None:
    asked = ChatRequest(HELLO.messages, sampling=Sampling(max_tokens=9))
    pool = httpx.AsyncClient()

    def sent(base: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(OpenAICompatibleModel(pool, base, "m")._body(asked))
        return told

    assert sent("https://api.openai.com/v1")["max_completion_tokens"] == 9
    assert "max_tokens" not in sent("https://api.openai.com/v1")
    assert sent("http://localhost:8000")["max_tokens"] == 9


# --- proxies ----------------------------------------------------------------------------------------------------


async def test_the_environments_proxy_is_obeyed_but_never_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    asked: list[str] = []

    async def proxy(http: web.Request) -> web.StreamResponse:
        asked.append(http.raw_path)
        return web.Response(body=events(text("by proxy", "stop")))

    monkeypatch.setenv("HTTP_PROXY", await serve(proxy))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    direct = await serve(answering(events(text("direct", "stop"))))
    async with connection_pool() as pool:
        far = lawful(await drained(OpenAICompatibleModel(pool, "http://models.invalid", "m").stream(HELLO)))
        near = lawful(await drained(OpenAICompatibleModel(pool, direct, "m").stream(HELLO)))
    assert (far.message.text, near.message.text) == ("by proxy", "direct")
    assert asked == ["http://models.invalid/v1/chat/completions"]
