"""The official SDK against Responses on a real socket, with scripted virtual models behind it."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.response_shapes import assert_item_list, assert_response, assert_response_event
from tests.serve_app.scripted_host import (
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
from workflows.answer import AnswerEvent, AnswerFailed, AnswerFinished, RunRequest
from workflows.errors import Failure
from workflows.events import RunFinished, RunStarted, StepFinished, StepStarted
from workflows.messages import (
    Completion,
    Image,
    Message,
    ResponseFormat,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)

PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


@dataclass
class Door:
    """A server with its host, and the SDK's client for it."""

    host: ScriptedHost
    client: AsyncOpenAI
    url: str


@asynccontextmanager
async def opened(script: Script, limits: Limits | None = None) -> AsyncIterator[Door]:
    records = ScriptedRecords()
    host = ScriptedHost(recorded(script, records))
    async with (
        serving(web_app(host, records, KEY, limits or Limits())) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        yield Door(host, client, url)


def recorded(script: Script, records: ScriptedRecords) -> Script:
    """The same answers, with the events that the driver writes into the journal."""

    async def answer(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        shared: Any = {"run_id": run.run_id, "at": 5.0}
        await records.add(
            RunStarted(
                id=f"{run.run_id}:started",
                **shared,
                virtual_model=run.virtual_model,
                protocol=run.protocol,
                request=run.request,
                door=dict(run.door),
            ),
            StepStarted(
                id=f"{run.run_id}:t",
                **shared,
                step_id="turn.1",
                parent_id="main",
                step_kind="turn",
                name="turn 1",
            ),
        )
        async for event in script(run):
            if isinstance(event, AnswerFinished):
                completion = Completion(event.message, event.finish_reason, event.usage)
                await records.add(
                    StepFinished(id=f"{run.run_id}:te", **shared, step_id="turn.1", completion=completion),
                    RunFinished(
                        id=f"{run.run_id}:ended",
                        **shared,
                        finish_reason=event.finish_reason,
                        answer=event.message.text,
                        usage=event.usage,
                        total_usage=event.total_usage,
                        cost_usd=event.cost_usd,
                        panel=event.panel,
                    ),
                )
            yield event

    return answer


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


CALLS = (ToolCall("call_1", "look", '{"q":1}'), ToolCall("call_2", "functions__exec", '{"input":"ls"}'))
TOOLS: Any = [
    {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False},
    {
        "type": "namespace",
        "name": "functions",
        "description": "Runs.",
        "tools": [{"type": "custom", "name": "exec"}],
    },
]


async def calls_then_answers(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    yield started(run)
    if run.request.messages[-1].role == "tool":
        yield TextDelta("Done")
        yield finished("Done")
        return
    yield ToolCallDelta(0, "call_1", "look", '{"q"')
    yield ToolCallDelta(0, arguments=":1}")
    yield ToolCallDelta(1, "call_2", "functions__exec", '{"input":"ls"}')
    yield finished("", *CALLS)


OUTPUTS: Any = [
    {"type": "function_call_output", "call_id": "call_1", "output": "found"},
    {
        "type": "custom_tool_call_output",
        "call_id": "call_2",
        "output": [{"type": "input_text", "text": "all"}],
    },
]


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
            *OUTPUTS,
        ]
        answer = await responses.create(model=MODEL, input=sent_back, tools=TOOLS, store=False)
    assert answer.output_text == "Done"
    _, assistant, *results = door.host.runs[1].request.messages
    assert [(call.id, call.name) for call in assistant.tool_calls] == [
        ("call_1", "look"),
        ("call_2", "functions__exec"),
    ]
    assert [result.parts[0] for result in results] == [
        ToolResult("call_1", (Text("found"),)),
        ToolResult("call_2", (Text("all"),)),
    ]


async def test_a_conversation_goes_on_by_the_id_of_its_last_response() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        first = await responses.create(model=MODEL, input="Hi", tools=TOOLS, instructions="Be brief.")
        second = await responses.create(
            model=MODEL, input=OUTPUTS, tools=TOOLS, previous_response_id=first.id
        )
        await responses.create(model=MODEL, input="Thanks", previous_response_id=second.id)
    assert second.previous_response_id == first.id
    told = door.host.runs[2].request.messages
    assert [message.role for message in told] == ["user", "assistant", "tool", "tool", "assistant", "user"]
    assert told[4:] == (Message.of("assistant", "Done"), Message.of("user", "Thanks"))


async def test_a_stored_response_is_shown_as_it_was_given_and_forgotten_when_asked_to() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        raw = await responses.with_raw_response.create(
            model=MODEL, input="Hi", tools=TOOLS, metadata={"a": "b"}, instructions="Be brief."
        )
        given = raw.http_response.json()
        again = (await responses.with_raw_response.retrieve(given["id"])).http_response.json()
        times = {"created_at", "completed_at"}
        assert {k: v for k, v in again.items() if k not in times} == {
            k: v for k, v in given.items() if k not in times
        }
        assert_response(again)
        with pytest.raises(openai.BadRequestError, match="background"):
            await responses.cancel(given["id"])
        await responses.delete(given["id"])
        for gone in (responses.retrieve, responses.delete, responses.cancel, responses.input_items.list):
            with pytest.raises(openai.NotFoundError) as caught:
                await gone(given["id"])
            assert caught.value.code == "response_not_found"


async def test_what_is_not_to_be_stored_is_not_found() -> None:
    async with opened(says("Hi")) as door:
        responses = door.client.responses
        answer = await responses.create(model=MODEL, input="Hi", store=False)
        with pytest.raises(openai.NotFoundError):
            await responses.retrieve(answer.id)
        with pytest.raises(openai.BadRequestError) as caught:
            await responses.create(model=MODEL, input="Hi", previous_response_id=answer.id)
        # Another door's run is nobody's response.
        chat = await door.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}]
        )
        with pytest.raises(openai.NotFoundError):
            await responses.retrieve(chat.id.replace("chatcmpl-", "resp_"))
    assert caught.value.param == "previous_response_id"


async def test_input_items_are_listed_in_pages() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        first = await responses.create(model=MODEL, input="Hi", tools=TOOLS)
        second = await responses.create(
            model=MODEL, input=OUTPUTS, tools=TOOLS, previous_response_id=first.id
        )
        raw = await responses.input_items.with_raw_response.list(second.id, limit=2, order="asc")
        assert_item_list(raw.http_response.json())
        listed = [item.type async for item in responses.input_items.list(second.id, limit=2, order="asc")]
        newest = await responses.input_items.list(second.id, limit=1)
    expected = [
        "message",
        "function_call",
        "custom_tool_call",
        "function_call_output",
        "custom_tool_call_output",
    ]
    assert listed == expected
    assert [item.type for item in newest.data] == expected[-1:]
    assert newest.has_more


async def test_earlier_items_may_be_referred_to_by_their_ids() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        first = await responses.create(model=MODEL, input="Hi", tools=TOOLS)
        referred: Any = [{"type": "item_reference", "id": item.id} for item in first.output]
        sent: Any = [{"role": "user", "content": "Hi"}, *referred, *OUTPUTS]
        await responses.create(model=MODEL, input=sent, tools=TOOLS)
        with pytest.raises(openai.BadRequestError, match="not found"):
            await responses.create(model=MODEL, input=[{"type": "item_reference", "id": "msg_0_0"}])
    assert len(door.host.runs[1].request.messages[1].tool_calls) == 2


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
        counted = await door.client.responses.input_tokens.count(model=MODEL, input="x" * 400)
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
