"""LiteLLM's SDK against the scripted upstream on loopback, as `openai/<model>` with a base URL of ours."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from actors.models.base import ChatModel
from actors.models.factory import ModelFactory
from actors.models.openai_compatible.proofs import proof
from actors.models.scripted.server import serving
from cluster.settings import Settings, environment, worker_environment
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
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from workflows.spec import ModelSpec

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")
"""LiteLLM uses what pydantic has deprecated; our warnings are errors, its own are not ours."""

HELLO = ChatRequest((Message.of("user", "my private prompt"),))
KEY = "the-key-that-nobody-may-see"


@pytest.fixture(autouse=True, scope="module")
def _offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of every Ray process of ours, so that litellm's import asks the network for nothing."""
    settings = Settings.from_env({"STELLARATOR_HOME": str(tmp_path_factory.mktemp("home"))})
    wanted = worker_environment(settings)
    with environment({name: value for name, value in wanted.items() if name.startswith("LITELLM_")}):
        yield


def model(base_url: str, name: str = "openai/gpt-4o") -> ChatModel:
    async def nowhere() -> str:
        raise AssertionError("not the embedded model")

    factory = ModelFactory({"MY_KEY": KEY}.get, nowhere)
    return factory.model(
        ModelSpec(provider="litellm", model=name, base_url=f"{base_url}", api_key_env="MY_KEY")
    )


async def failure(base_url: str) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await drained(model(base_url).stream(HELLO))
    return caught.value


async def test_an_answer_is_streamed_adds_up_and_has_a_price() -> None:
    rules = [
        {"answer": "Hello, world", "chunks": 4, "reasoning": "hm", "usage": {"input": 1000, "output": 100}}
    ]
    async with serving(rules) as upstream:
        completion = lawful(await drained(model(upstream.base_url).stream(HELLO)))
    assert completion.message.text == "Hello, world"
    assert Reasoning("hm", "reasoning_content") in completion.message.parts
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (1000, 100)
    assert completion.cost_usd == pytest.approx(1000 * 2.5e-6 + 100 * 1e-5)


async def test_a_model_that_the_price_map_does_not_know_has_no_price() -> None:
    async with serving([{"answer": "yes"}]) as upstream:
        completion = lawful(await drained(model(upstream.base_url, "openai/nobody-knows-me").stream(HELLO)))
    assert completion.cost_usd is None


async def test_a_parameter_that_the_provider_does_not_take_is_said_to_be_dropped() -> None:
    asked = ChatRequest(HELLO.messages, sampling=Sampling(temperature=0.5, seed=7, extra={"top_k": 3}))
    async with serving([{"answer": "yes"}]) as upstream:
        taken = lawful(await drained(model(upstream.base_url).stream(asked)))
        dropped = lawful(
            await drained(
                model(upstream.base_url, "mistral/mistral-small").stream(
                    replace(asked, sampling=Sampling(presence_penalty=1, seed=7))
                )
            )
        )
    assert taken.dropped == ()
    assert dropped.dropped == ("presence_penalty",)


async def test_tool_calls_arrive_whole() -> None:
    rules = [
        {
            "match": {"has_tool": "f"},
            "tool_calls": [{"name": "f", "arguments": {"x": 1}, "id": "a"}, {"name": "g"}],
        }
    ]
    asked = ChatRequest(HELLO.messages, (Tool("f", "does f", {"type": "object", "properties": {}}),))
    async with serving(rules) as upstream:
        completion = lawful(await drained(model(upstream.base_url).stream(asked)))
    assert completion.finish_reason == "tool_calls"
    assert completion.message.tool_calls[0] == ToolCall("a", "f", '{"x": 1}')
    assert len(completion.message.tool_calls) == 2


async def test_signed_thinking_goes_back_to_its_provider_with_the_call_that_it_led_to(serve: Serve) -> None:
    sent: list[dict[str, Any]] = []

    async def anthropic(http: web.Request) -> web.StreamResponse:
        sent.append(await http.json())
        return web.json_response({"error": {"type": "x", "message": "enough seen"}}, status=400)

    thought = {"type": "thinking", "thinking": "hm", "signature": "proof"}
    signature = proof("anthropic/claude-opus-4-5", "reasoning_content", {"thinking_blocks": [thought]})
    called = Message("assistant", (Reasoning("hm", signature), ToolCall("a", "f", "{}")))
    asked = ChatRequest(
        (*HELLO.messages, called, Message("tool", (ToolResult("a", (Text("done"),)),))),
        (Tool("f", "does f", {"type": "object", "properties": {}}),),
    )
    with pytest.raises(UpstreamRefused) as caught:
        await drained(model(await serve(anthropic), "anthropic/claude-opus-4-5").stream(asked))
    assert caught.value.detail == "enough seen"
    assert sent[0]["messages"][1]["content"] == [
        thought,
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
    ]
    assert "_skip_mcp_handler" not in sent[0]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, UpstreamRefused),
        (401, UpstreamRefused),
        (403, UpstreamRefused),
        (404, UpstreamRefused),
        (408, UpstreamTimeout),
        (422, UpstreamRefused),
        (429, UpstreamBusy),
        (500, UpstreamUnavailable),
        (503, UpstreamUnavailable),
        (529, UpstreamBusy),
    ],
)
async def test_its_errors_become_ours_and_cross_processes(status: int, expected: type[UpstreamError]) -> None:
    async with serving([{"fail": {"status": status, "message": f"no {KEY}"}}]) as upstream:
        error = await failure(upstream.base_url)
    assert type(error) is expected
    assert KEY not in str(error)
    assert "litellm." not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # our own bytes


async def test_it_does_not_try_again_by_itself() -> None:
    async with serving([{"fail": {"status": 500}}]) as upstream:
        await failure(upstream.base_url)
        assert len(upstream.seen) == 1


async def test_a_busy_provider_says_when_to_come_back() -> None:
    async with serving([{"fail": {"status": 429, "message": "slow down", "retry_after": 3}}]) as upstream:
        error = await failure(upstream.base_url)
    assert isinstance(error, UpstreamBusy)
    assert (error.retry_after, error.detail) == (3.0, "slow down")


async def test_a_connection_that_breaks_in_the_middle_is_unavailable() -> None:
    async with serving([{"answer": "half an answer", "chunks": 3, "disconnect": True}]) as upstream:
        assert type(await failure(upstream.base_url)) is UpstreamUnavailable


async def test_nobody_at_the_address_is_unavailable() -> None:
    async with serving([]) as upstream:
        gone = upstream.base_url
    assert type(await failure(gone)) is UpstreamUnavailable


async def test_an_empty_answer_is_malformed() -> None:
    async with serving([{"answer": ""}]) as upstream:
        assert type(await failure(upstream.base_url)) is UpstreamMalformed


@pytest.mark.parametrize("rule", [{"hang": True}, {"answer": "x" * 1000, "chunks": 1000, "pace": 0.05}])
async def test_cancelling_a_call_closes_its_socket_at_once(rule: dict[str, Any]) -> None:
    async with serving([rule]) as upstream:
        task = asyncio.create_task(drained(model(upstream.base_url).stream(HELLO)))
        await eventually(lambda: bool(upstream.seen))
        await asyncio.sleep(0.2)  # into the middle of the answer
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: upstream.seen[0].outcome == "aborted", 1.0)


async def test_closing_a_stream_closes_its_socket_at_once() -> None:
    async with serving([{"answer": "x" * 1000, "chunks": 1000, "pace": 0.05}]) as upstream:
        async with aclosing(model(upstream.base_url).stream(HELLO)) as items:
            await anext(items)
        await eventually(lambda: upstream.seen[0].outcome == "aborted", 1.0)


async def test_no_prompt_gets_into_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving([{"match": {"turn": 1}, "answer": "yes"}, {"fail": {"status": 500}}]) as upstream:
            lawful(await drained(model(upstream.base_url).stream(HELLO)))
            await failure(upstream.base_url)
    leaks = [r.name for r in caplog.records if "my private prompt" in r.getMessage() or KEY in r.getMessage()]
    assert leaks == []
