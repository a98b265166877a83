"""The official SDK against the doors on a real socket, with scripted virtual models behind them."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
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
from tests.serve_app.sdk_shapes import assert_chunk, assert_completion, assert_model
from workflows.answer import AnswerEvent, AnswerFailed, RunRequest
from workflows.errors import Failure
from workflows.messages import (
    File,
    Image,
    ResponseFormat,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


class Door(BaseModel, arbitrary_types_allowed=True):
    """A server with its host, and the SDK's client for it."""

    host: ScriptedHost
    client: AsyncOpenAI


@asynccontextmanager
async def opened(script: Script, limits: Limits | None = None) -> AsyncIterator[Door]:
    host = ScriptedHost(script)
    app = web_app(host, ScriptedRecords(), KEY, limits or Limits())
    async with (
        serving(app) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        yield Door(host=host, client=client)


async def test_a_plain_answer() -> None:
    async with opened(says("Hello", " world", reasoning="Hmm")) as door:
        raw = await door.client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        answer = raw.parse()
    assert answer.choices[0].message.content == "Hello world"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == 18
    assert answer.model == MODEL
    assert_completion(raw.http_response.json())
    assert raw.headers["x-stellarator-run-id"] == door.host.runs[0].run_id


async def test_a_streamed_answer_with_usage() -> None:
    async with opened(says("Hello", " world")) as door:
        stream = await door.client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    for chunk in chunks:
        assert_chunk(chunk.to_dict())
    assert len({chunk.id for chunk in chunks}) == 1
    *content, usage = chunks
    assert content[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in content) == "Hello world"
    assert content[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in content)
    assert usage.choices == []
    assert usage.usage
    assert usage.usage.total_tokens == 18
    extension: Any = usage.to_dict()["stellarator"]
    assert extension["total_usage"]["total_tokens"] == 180


CALLS = (ToolCall("call_1", "look", '{"q":1}'), ToolCall("call_2", "list", "{}"))
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, "strict": True}}
    for name in ("look", "list")
]


async def test_parallel_tools_streamed_and_their_results_sent_back() -> None:
    async def script(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield started(run)
        if run.request.messages[-1].role == "tool":
            yield TextDelta("Done")
            yield finished("Done")
            return
        yield ToolCallDelta(0, "call_1", "look", '{"q"')
        yield ToolCallDelta(0, arguments=":1}")
        yield ToolCallDelta(1, "call_2", "list", "{}")
        yield finished("", *CALLS)

    async with opened(script) as door:
        chat = door.client.chat.completions
        async with chat.stream(model=MODEL, messages=HELLO, tools=TOOLS) as stream:
            message = (await stream.get_final_completion()).choices[0].message
        assert [call.id for call in message.tool_calls or ()] == ["call_1", "call_2"]
        sent_back: Any = [
            *HELLO,
            message.to_dict(),
            {"role": "tool", "tool_call_id": "call_1", "content": "found"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "all"}]},
        ]
        answer = await chat.create(model=MODEL, messages=sent_back, tools=TOOLS, parallel_tool_calls=True)
    assert answer.choices[0].message.content == "Done"
    _, assistant, *results = door.host.runs[1].request.messages
    assert assistant.parts == CALLS
    assert [result.parts[0] for result in results] == [
        ToolResult("call_1", (Text("found"),)),
        ToolResult("call_2", (Text("all"),)),
    ]


async def test_tools_unstreamed() -> None:
    async with opened(plays(finished("", *CALLS))) as door:
        raw = await door.client.chat.completions.with_raw_response.create(
            model=MODEL, messages=HELLO, tools=TOOLS, tool_choice="required"
        )
    assert_completion(raw.http_response.json())
    choice = raw.parse().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert [(call.id, call.type) for call in choice.message.tool_calls or ()] == [
        ("call_1", "function"),
        ("call_2", "function"),
    ]
    assert door.host.runs[0].request.tool_choice.mode == "required"


class Plan(BaseModel):
    steps: list[str]


async def test_structured_output() -> None:
    async with opened(says('{"steps": ["one"]}')) as door:
        answer = await door.client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Plan)
    assert answer.choices[0].message.parsed == Plan(steps=["one"])
    demand = door.host.runs[0].request.response_format
    assert isinstance(demand, ResponseFormat)
    assert (demand.type, demand.name, demand.strict) == ("json_schema", "Plan", True)


async def test_images_and_files_arrive() -> None:
    messages: Any = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
                },
            ],
        }
    ]
    async with opened(says("Seen")) as door:
        await door.client.chat.completions.create(model=MODEL, messages=messages)
    assert door.host.runs[0].request.messages[0].parts == (
        Text("See"),
        Image(PIXEL, "low"),
        File("data:application/pdf;base64,AA", "a.pdf"),
    )


async def test_text_beyond_ascii_arrives_streamed_and_not() -> None:
    text = "Grüße \u2028 日本 \U0001f680"
    async with opened(says(text)) as door:
        chat = door.client.chat.completions
        whole = await chat.create(model=MODEL, messages=HELLO)
        stream = await chat.create(model=MODEL, messages=HELLO, stream=True)
        streamed = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert whole.choices[0].message.content == "".join(streamed) == text


async def test_models_are_listed_and_found() -> None:
    async with opened(says("Hi")) as door:
        [listed] = [model async for model in door.client.models.list()]
        found = await door.client.models.retrieve(MODEL)
        with pytest.raises(openai.NotFoundError) as caught:
            await door.client.models.retrieve("org/model")
    assert listed == found
    assert_model(found.to_dict())
    assert (found.id, found.created, found.owned_by) == (MODEL, CREATED, "stellarator")
    assert caught.value.code == "model_not_found"


# --- errors -------------------------------------------------------------------------------------------------


async def test_errors_become_the_sdks_own() -> None:
    async with opened(says("Hi"), Limits(max_body_bytes=100_000)) as door:
        chat = door.client.chat.completions
        with pytest.raises(openai.AuthenticationError) as unauthorized:
            await door.client.with_options(api_key="sk-guessed").models.list()
        with pytest.raises(openai.NotFoundError) as unknown:
            await chat.create(model="gpt-5", messages=HELLO)
        with pytest.raises(openai.BadRequestError) as invalid:
            await chat.create(model=MODEL, messages=HELLO, n=2)
        with pytest.raises(openai.APIStatusError) as too_large:
            await chat.create(model=MODEL, messages=[{"role": "user", "content": "x" * 4_000_000}])
        with pytest.raises(openai.APIStatusError) as wrong_method:
            await door.client.delete("/models", cast_to=object)
    assert unauthorized.value.code == "invalid_api_key"
    assert unknown.value.code == "model_not_found"
    assert (invalid.value.param, invalid.value.type) == ("n", "invalid_request_error")
    assert (too_large.value.status_code, too_large.value.code) == (413, "request_too_large")
    assert wrong_method.value.status_code == 405
    assert wrong_method.value.response.headers["allow"] == "GET"
    assert all(caught.value.request_id for caught in (unauthorized, unknown, invalid, too_large))


async def test_an_error_in_mid_stream_is_raised_after_what_came_before_it() -> None:
    failed = AnswerFailed(failure=Failure("upstream_unavailable", "It broke."))
    async with opened(plays(TextDelta("Hel"), failed)) as door:
        stream = await door.client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        seen = [await anext(stream), await anext(stream)]
        with pytest.raises(openai.APIError, match=r"It broke\.") as caught:
            await anext(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in seen) == "Hel"
    assert all(chunk.choices[0].finish_reason is None for chunk in seen)
    assert caught.value.code == "upstream_unavailable"


async def test_the_sdk_repeats_what_may_pass_and_nothing_else() -> None:
    hopeless = AnswerFailed(failure=Failure("upstream_refused", "The provider refused our key."))
    async with opened(plays(hopeless)) as door:
        with pytest.raises(openai.InternalServerError):
            await door.client.with_options(max_retries=2).chat.completions.create(model=MODEL, messages=HELLO)
    assert len(door.host.runs) == 1


# --- time ---------------------------------------------------------------------------------------------------


async def hangs(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    yield started(run)
    yield TextDelta("Hel")
    await asyncio.Event().wait()


async def test_a_client_that_closes_its_stream_ends_the_run() -> None:
    async with opened(hangs) as door:
        stream = await door.client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
        await asyncio.wait_for(door.host.closed.wait(), 1)


async def test_a_client_that_gives_up_waiting_ends_the_run() -> None:
    async with opened(hangs) as door:
        asking = asyncio.create_task(door.client.chat.completions.create(model=MODEL, messages=HELLO))
        await door.host.asked.wait()
        asking.cancel()
        await asyncio.wait_for(door.host.closed.wait(), 1)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_late_unstreamed_answer_is_understood() -> None:
    async def late(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield started(run)
        await asyncio.sleep(0.05)
        yield finished("Hi")

    async with opened(late, Limits(commit_whole_after=0.01, keepalive=0.01)) as door:
        raw = await door.client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert raw.http_response.text.startswith(" ")
    assert_completion(raw.http_response.json())


async def silent(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    await asyncio.Event().wait()
    yield started(run)


async def test_a_silent_answer_opens_at_once_and_is_kept_alive_by_empty_deltas() -> None:
    async with opened(silent, Limits(commit_after=0.01, keepalive=0.02)) as door:
        stream = await door.client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        opening, *pings = [await anext(stream) for _ in range(3)]
        await stream.close()
    assert opening.choices[0].delta.role == "assistant"
    for ping in pings:
        assert_chunk(ping.to_dict())
        assert ping.choices[0].delta.to_dict() == {"content": ""}
