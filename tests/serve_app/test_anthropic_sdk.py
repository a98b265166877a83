"""The official Anthropic SDK against the doors on a real socket, with scripted virtual models behind them."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam, ToolUseBlock
from pydantic import BaseModel

from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import (
    CREATED,
    KEY,
    MODEL,
    Script,
    ScriptedHost,
    ScriptedRecords,
    finished,
    plays,
    says,
    serving,
    started,
)
from tests.serve_app.sdk_shapes import assert_event, assert_message, assert_model_info
from workflows.answer import AnswerEvent, AnswerFailed, RunRequest
from workflows.errors import Failure
from workflows.messages import (
    File,
    Image,
    Message,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
PIXEL = base64.b64encode(b"\x89PNG").decode()


class Door(BaseModel, arbitrary_types_allowed=True):
    """A server with its host, and the SDK's client for it."""

    host: ScriptedHost
    client: AsyncAnthropic


@asynccontextmanager
async def opened(script: Script, limits: Limits | None = None) -> AsyncIterator[Door]:
    host = ScriptedHost(script)
    app = web_app(host, ScriptedRecords(), KEY, limits or Limits())
    async with (
        serving(app) as url,
        AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client,
    ):
        yield Door(host=host, client=client)


async def test_a_plain_answer() -> None:
    async with opened(says("Hello", " world", reasoning="Hmm")) as door:
        raw = await door.client.messages.with_raw_response.create(
            model=MODEL, max_tokens=100, messages=HELLO, system="Be brief."
        )
        answer = await raw.parse()
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert (answer.model, answer.stop_reason) == (MODEL, "end_turn")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (8, 7)
    assert_message(raw.http_response.json())
    assert raw.headers["x-stellarator-run-id"] == door.host.runs[0].run_id
    assert raw.headers["x-stellarator-panel"] == "ran"
    assert raw.headers["x-stellarator-cost-usd"] == "0.012500"
    assert answer._request_id == raw.headers["request-id"]


async def test_a_streamed_answer() -> None:
    async with opened(says("Hello", " world")) as door:
        stream = await door.client.messages.create(model=MODEL, max_tokens=100, messages=HELLO, stream=True)
        events = [event async for event in stream]
    for event in events:
        assert_event(event.to_dict())
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    extension: Any = events[-2].to_dict()["stellarator"]
    assert extension["total_usage"]["output_tokens"] == 70


async def test_the_beta_client_gets_the_same() -> None:
    async with (
        opened(says("Hello", reasoning="Hmm")) as door,
        door.client.beta.messages.stream(
            model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "Hello"}], betas=["any"]
        ) as stream,
    ):
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.usage.input_tokens == 8


CALLS = (ToolCall("call_1", "look", '{"q":1}'), ToolCall("call_2", "list", "{}"))
TOOLS: Any = [{"name": name, "input_schema": {"type": "object"}} for name in ("look", "list")]


async def test_parallel_tools_streamed_and_their_results_sent_back() -> None:
    async def script(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield started(run)
        if run.request.messages[-1].role == "tool":
            yield TextDelta("Done")
            yield finished("Done")
            return
        yield ReasoningDelta("Hmm")
        yield ToolCallDelta(0, "call_1", "look", '{"q"')
        yield ToolCallDelta(0, arguments=":1}")
        yield ToolCallDelta(1, "call_2", "list", "{}")
        yield finished("", *CALLS, reasoning="Hmm")

    async with opened(script) as door:
        messages = door.client.messages
        async with messages.stream(model=MODEL, max_tokens=100, messages=HELLO, tools=TOOLS) as stream:
            message = await stream.get_final_message()
        assert message.stop_reason == "tool_use"
        calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
        assert [(call.id, call.input) for call in calls] == [("call_1", {"q": 1}), ("call_2", {})]
        found: Any = [{"type": "text", "text": "all"}]
        sent_back: Any = [
            *HELLO,
            {"role": "assistant", "content": message.to_dict()["content"]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "none", "is_error": True},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": found},
                ],
            },
        ]
        answer = await messages.create(model=MODEL, max_tokens=100, messages=sent_back, tools=TOOLS)
    assert [block.to_dict() for block in answer.content] == [{"type": "text", "text": "Done"}]
    _, assistant, *results = door.host.runs[1].request.messages
    thought, *called = assistant.parts
    assert isinstance(thought, Reasoning)
    assert thought.text == "Hmm"
    assert [(call.id, call.name, json.loads(call.arguments)) for call in assistant.tool_calls] == [
        ("call_1", "look", {"q": 1}),
        ("call_2", "list", {}),
    ]
    assert len(called) == 2
    assert results == [
        Message("tool", (ToolResult("call_1", (Text("none"),), is_error=True),)),
        Message("tool", (ToolResult("call_2", (Text("all"),)),)),
    ]


async def test_tools_unstreamed() -> None:
    async with opened(plays(finished("", *CALLS))) as door:
        raw = await door.client.messages.with_raw_response.create(
            model=MODEL,
            max_tokens=100,
            messages=HELLO,
            tools=TOOLS,
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
        )
    assert_message(raw.http_response.json())
    assert [block.type for block in (await raw.parse()).content] == ["tool_use", "tool_use"]
    request = door.host.runs[0].request
    assert (request.tool_choice.mode, request.parallel_tool_calls) == ("required", False)


class Plan(BaseModel):
    steps: list[str]


async def test_structured_output() -> None:
    async with opened(says('{"steps": ["one"]}')) as door:
        answer = await door.client.messages.parse(
            model=MODEL, max_tokens=100, messages=HELLO, output_format=Plan
        )
    assert answer.parsed_output == Plan(steps=["one"])
    demand = door.host.runs[0].request.response_format
    assert demand
    assert demand.type == "json_schema"
    assert "steps" in (demand.schema or {})["properties"]


async def test_images_and_documents_arrive() -> None:
    content: Any = [
        {"type": "text", "text": "See"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
            "title": "a.pdf",
        },
    ]
    async with opened(says("Seen")) as door:
        await door.client.messages.create(
            model=MODEL, max_tokens=100, messages=[{"role": "user", "content": content}]
        )
    assert door.host.runs[0].request.messages[0].parts == (
        Text("See"),
        Image(f"data:image/png;base64,{PIXEL}"),
        File("data:application/pdf;base64,AA", "a.pdf"),
    )


async def test_thinking_is_asked_for_and_shown() -> None:
    async with (
        opened(says("Hi", reasoning="Hmm")) as door,
        door.client.messages.stream(
            model=MODEL,
            max_tokens=32_000,
            messages=HELLO,
            thinking={"type": "enabled", "budget_tokens": 31_999},
        ) as stream,
    ):
        message = await stream.get_final_message()
    thought = message.content[0]
    assert thought.type == "thinking"
    assert thought.thinking == "Hmm"
    assert thought.signature
    assert door.host.runs[0].request.sampling.reasoning_effort == "high"


async def test_text_beyond_ascii_arrives_streamed_and_not() -> None:
    text = "Grüße \u2028 日本 \U0001f680"
    async with opened(says(text)) as door:
        whole = await door.client.messages.create(model=MODEL, max_tokens=100, messages=HELLO)
        async with door.client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
            streamed = await stream.get_final_text()
    assert [block.to_dict()["text"] for block in whole.content] == [text]
    assert streamed == text


async def test_tokens_are_counted_at_once_and_without_a_run() -> None:
    long: list[MessageParam] = [{"role": "user", "content": "word " * 400}]
    async with opened(says("Hi")) as door:
        counts = await asyncio.gather(
            *(door.client.messages.count_tokens(model=MODEL, messages=long, tools=TOOLS) for _ in range(25))
        )
        short = await door.client.beta.messages.count_tokens(
            model=MODEL, messages=[{"role": "user", "content": "Hello"}]
        )
    assert len({count.input_tokens for count in counts}) == 1
    assert 300 < counts[0].input_tokens < 800
    assert 0 < short.input_tokens < 10
    assert not door.host.runs


async def test_models_are_listed_and_found() -> None:
    async with opened(says("Hi")) as door:
        raw = await door.client.models.with_raw_response.list()
        [listed] = [model async for model in door.client.models.list()]
        found = await door.client.models.retrieve(MODEL)
        with pytest.raises(anthropic.NotFoundError):
            await door.client.models.retrieve("org/model")
    page = raw.http_response.json()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (MODEL, MODEL, False)
    assert_model_info(page["data"][0])
    assert listed == found
    assert (found.id, int(found.created_at.timestamp())) == (MODEL, CREATED)


# --- errors -------------------------------------------------------------------------------------------------


async def test_errors_become_the_sdks_own() -> None:
    async with opened(says("Hi"), Limits(max_body_bytes=100_000)) as door:
        messages, large = door.client.messages, "x" * 4_000_000
        with pytest.raises(anthropic.AuthenticationError) as unauthorized:
            await door.client.with_options(api_key="sk-guessed").messages.create(
                model=MODEL, max_tokens=100, messages=HELLO
            )
        with pytest.raises(anthropic.NotFoundError) as unknown:
            await messages.create(model="claude", max_tokens=100, messages=HELLO)
        with pytest.raises(anthropic.BadRequestError) as invalid:
            await messages.create(model=MODEL, max_tokens=100, messages=[])
        with pytest.raises(anthropic.APIStatusError) as too_large:
            await messages.create(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": large}])
    caught = (unauthorized, unknown, invalid, too_large)
    assert [each.value.type for each in caught] == [
        "authentication_error",
        "not_found_error",
        "invalid_request_error",
        "request_too_large",
    ]
    assert "messages" in (invalid.value.api_message or "")
    assert too_large.value.status_code == 413
    assert all(each.value.request_id for each in caught)


async def test_an_error_in_mid_stream_is_raised_after_what_came_before_it() -> None:
    failed = AnswerFailed(failure=Failure("upstream_unavailable", "It broke."))
    async with opened(plays(TextDelta("Hel"), failed)) as door:
        stream = await door.client.messages.create(model=MODEL, max_tokens=100, messages=HELLO, stream=True)
        seen = [await anext(stream) for _ in range(3)]
        with pytest.raises(anthropic.APIStatusError, match=r"It broke\.") as caught:
            await anext(stream)
    assert [event.type for event in seen] == ["message_start", "content_block_start", "content_block_delta"]
    assert caught.value.type == "api_error"


async def test_the_sdk_repeats_what_may_pass_and_nothing_else() -> None:
    hopeless = AnswerFailed(failure=Failure("upstream_refused", "The provider refused our key."))
    async with opened(plays(hopeless)) as door:
        with pytest.raises(anthropic.InternalServerError):
            await door.client.with_options(max_retries=2).messages.create(
                model=MODEL, max_tokens=100, messages=HELLO
            )
    assert len(door.host.runs) == 1


# --- time ---------------------------------------------------------------------------------------------------


async def hangs(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    yield started(run)
    yield TextDelta("Hel")
    await asyncio.Event().wait()


async def test_a_client_that_closes_its_stream_ends_the_run() -> None:
    async with opened(hangs) as door:
        stream = await door.client.messages.create(model=MODEL, max_tokens=100, messages=HELLO, stream=True)
        async for event in stream:
            if event.type == "content_block_delta":
                break
        await stream.close()
        await asyncio.wait_for(door.host.closed.wait(), 1)


async def test_a_client_that_gives_up_waiting_ends_the_run() -> None:
    async with opened(hangs) as door:
        asking = asyncio.create_task(door.client.messages.create(model=MODEL, max_tokens=100, messages=HELLO))
        await door.host.asked.wait()
        asking.cancel()
        await asyncio.wait_for(door.host.closed.wait(), 1)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_silent_answer_opens_at_once_and_outlives_its_pings() -> None:
    """The SDK swallows pings; what follows them are deltas that add nothing."""

    async def silent(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield started(run)
        await released.wait()
        yield TextDelta("Hi")
        yield finished("Hi")

    released = asyncio.Event()
    async with opened(silent, Limits(commit_after=0.01, keepalive=0.002)) as door:
        stream = await door.client.messages.create(model=MODEL, max_tokens=100, messages=HELLO, stream=True)
        opening, start, empty = [await anext(stream) for _ in range(3)]
        released.set()
        rest = [event async for event in stream]
    assert (opening.type, start.type) == ("message_start", "content_block_start")
    assert empty.to_dict()["delta"] == {"type": "thinking_delta", "thinking": ""}
    text = [event for event in rest if event.type == "content_block_delta" and event.index == 1]
    assert text[0].to_dict()["delta"] == {"type": "text_delta", "text": "Hi"}
    assert rest[-1].type == "message_stop"


async def test_a_late_unstreamed_answer_is_understood() -> None:
    async def late(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield started(run)
        await asyncio.sleep(0.05)
        yield TextDelta("Hi")
        yield finished("Hi")

    async with opened(late, Limits(commit_whole_after=0.01, keepalive=0.01)) as door:
        raw = await door.client.messages.with_raw_response.create(model=MODEL, max_tokens=100, messages=HELLO)
    assert raw.http_response.text.startswith(" ")
    assert_message(raw.http_response.json())
