"""The official SDK against Responses on a real socket, with scripted virtual models behind it."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from serve_app.hosting import Limits
from tests.serve_app.response_shapes import assert_response, assert_response_event
from tests.serve_app.responses_door import TOOLS, calls_of, calls_then_answers, opened, outputs
from tests.serve_app.scripted_host import KEY, MODEL, plays, says, started
from workflows.answer import AnswerEvent, AnswerFailed, RunRequest
from workflows.errors import Failure
from workflows.messages import Image, ResponseFormat, Text, TextDelta, ToolResult

PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


async def test_a_plain_answer() -> None:
    async with opened(says("Hello", " world", reasoning="Hmm")) as door:
        raw = await door.client.responses.with_raw_response.create(model=MODEL, input="Hi")
    answer = raw.parse()
    assert answer.output_text == "Hello world"
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.usage
    assert answer.usage.total_tokens == 18
    assert_response(raw.http_response.json())
    assert raw.headers["x-stellarator-run-id"] == door.host.runs[0].run_id
    assert raw.headers["x-stellarator-panel"] == "ran"


async def test_a_streamed_answer() -> None:
    async with (
        opened(says("Hello", " world", reasoning="Hmm")) as door,
        door.client.responses.stream(model=MODEL, input="Hi") as stream,
    ):
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "Hello world"
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_every_event_on_the_wire_is_of_the_sdks_type() -> None:
    async with opened(says("Hello", reasoning="Hmm")) as door:
        stream = await door.client.responses.create(model=MODEL, input="Hi", stream=True)
        async for event in stream:
            assert_response_event(event.to_dict())


async def test_parallel_tools_streamed_and_their_results_sent_back_by_a_stateless_client() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        async with responses.stream(model=MODEL, input="Hi", tools=TOOLS, store=False) as stream:
            first = await stream.get_final_response()
        assert [(item.type, getattr(item, "namespace", None)) for item in first.output] == [
            ("function_call", None),
            ("custom_tool_call", "functions"),
        ]
        sent_back: Any = [
            {"role": "user", "content": "Hi"},
            *(item.to_dict() for item in first.output),
            *outputs(calls_of(first)),
        ]
        answer = await responses.create(model=MODEL, input=sent_back, tools=TOOLS, store=False)
    assert answer.output_text == "Done"
    _, assistant, *results = door.host.runs[1].request.messages
    ids = calls_of(first)
    assert [(call.id, call.name) for call in assistant.tool_calls] == [
        (ids[0], "look"),
        (ids[1], "functions__exec"),
    ]
    assert [result.parts[0] for result in results] == [
        ToolResult(ids[0], (Text("found"),)),
        ToolResult(ids[1], (Text("all"),)),
    ]


class Plan(BaseModel):
    steps: list[str]


async def test_structured_output() -> None:
    async with opened(says('{"steps": ["one"]}')) as door:
        answer = await door.client.responses.parse(model=MODEL, input="Hi", text_format=Plan)
    assert answer.output_parsed == Plan(steps=["one"])
    demand = door.host.runs[0].request.response_format
    assert isinstance(demand, ResponseFormat)
    assert (demand.type, demand.name, demand.strict) == ("json_schema", "Plan", True)


async def test_images_arrive() -> None:
    content: Any = [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
    ]
    async with opened(says("Seen")) as door:
        await door.client.responses.create(model=MODEL, input=[{"role": "user", "content": content}])
    assert door.host.runs[0].request.messages[0].parts == (Text("See"), Image(PIXEL, "low"))


async def test_a_conversation_is_made_shorter_and_goes_on() -> None:
    async with opened(says("All done")) as door:
        responses = door.client.responses
        compacted = await responses.compact(model=MODEL, input="A long story")
        [item] = compacted.output
        assert item.type == "compaction"
        sent: Any = [item.to_dict(), {"role": "user", "content": "Go on"}]
        await responses.create(model=MODEL, input=sent)
        triggered = await responses.create(
            model=MODEL,
            input=[{"role": "user", "content": "Long"}, {"type": "compaction_trigger"}],
        )
    assert "All done" in door.host.runs[1].request.messages[0].text
    assert [item.type for item in triggered.output] == ["compaction"]
    assert [run.panel for run in door.host.runs] == ["never", None, "never"]


async def test_tokens_are_counted_without_a_run() -> None:
    async with opened(says("Hi")) as door:
        count = door.client.responses.input_tokens.count
        counted = await count(model=MODEL, input="x" * 400)
        assert (await count(input="x" * 400)) == counted
    assert counted.input_tokens == 100
    assert door.host.runs == []


# --- errors and time ----------------------------------------------------------------------------------------


async def test_errors_become_the_sdks_own() -> None:
    busy = AnswerFailed(failure=Failure("upstream_busy", "Busy.", retryable=True, retry_after=7))
    async with opened(plays(busy)) as door:
        responses = door.client.responses
        with pytest.raises(openai.NotFoundError) as unknown:
            await responses.create(model="gpt-5", input="Hi")
        with pytest.raises(openai.BadRequestError) as invalid:
            await responses.create(model=MODEL, input=[{"role": "nobody", "content": "Hi"}])  # type: ignore[misc,list-item]  # wrong on purpose
        with pytest.raises(openai.RateLimitError) as limited:
            await responses.create(model=MODEL, input="Hi", stream=True)
        with pytest.raises(openai.BadRequestError) as unsupported:
            await responses.create(model=MODEL, input="Hi", conversation="conv_1")
    assert unknown.value.code == "model_not_found"
    assert invalid.value.param == "input.0.role"
    assert (limited.value.code, limited.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "7")
    assert unsupported.value.param == "conversation"


async def test_an_error_in_mid_stream_is_a_failed_response_and_the_last_event() -> None:
    failed = AnswerFailed(failure=Failure("upstream_unavailable", "It broke."))
    async with opened(plays(TextDelta("Hel"), failed)) as door:
        stream = await door.client.responses.create(model=MODEL, input="Hi", stream=True)
        events = [event async for event in stream]
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error
    assert (last.response.error.code, last.response.error.message) == ("server_error", "It broke.")
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_an_unstreamed_answer_that_fails_late_is_a_failed_response() -> None:
    async def late(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield started(run)
        await asyncio.sleep(0.05)
        yield AnswerFailed(failure=Failure("upstream_busy", "Busy.", retryable=True, retry_after=7))

    async with opened(late, Limits(commit_whole_after=0.01, keepalive=0.01)) as door:
        raw = await door.client.responses.with_raw_response.create(model=MODEL, input="Hi")
    assert_response(raw.http_response.json())
    answer = raw.parse()
    assert (answer.status, answer.output_text) == ("failed", "")
    assert answer.error
    assert answer.error.message == "Busy. Please try again in 7s."


async def hangs(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    yield started(run)
    yield TextDelta("Hel")
    await asyncio.Event().wait()


async def test_a_client_that_goes_away_ends_the_run() -> None:
    async with opened(hangs) as door:
        stream = await door.client.responses.create(model=MODEL, input="Hi", stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        await asyncio.wait_for(door.host.closed.wait(), 1)


async def test_a_client_that_gives_up_waiting_ends_the_run() -> None:
    async with opened(hangs) as door:
        asking = asyncio.create_task(door.client.responses.create(model=MODEL, input="Hi"))
        await door.host.asked.wait()
        asking.cancel()
        await asyncio.wait_for(door.host.closed.wait(), 1)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def silent(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    await asyncio.Event().wait()
    yield started(run)


async def test_a_silent_answer_is_kept_alive_by_numbered_events() -> None:
    async with opened(silent, Limits(commit_after=0.01, keepalive=0.02)) as door:
        stream = await door.client.responses.create(model=MODEL, input="Hi", stream=True)
        events = [await anext(stream) for _ in range(4)]
        await stream.close()
    assert [event.type for event in events] == ["response.created", *["response.in_progress"] * 3]
    assert [event.sequence_number for event in events] == [0, 1, 2, 3]


async def test_the_websocket_mode_is_refused_in_one_clear_answer() -> None:
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-version": "13",
    }
    authorization = {"authorization": f"Bearer {KEY}"}
    async with (
        opened(says("Hi")) as door,
        httpx.AsyncClient(base_url=door.url, headers=authorization) as http,
    ):
        refused = await http.get("/v1/responses", headers=upgrade)
        plain = await http.get("/v1/responses")
    assert refused.status_code == 426
    assert refused.json()["error"]["code"] == "websocket_not_supported"
    assert (plain.status_code, plain.headers["allow"]) == (405, "POST")
