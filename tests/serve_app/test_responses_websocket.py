"""The WebSocket mode of Responses: the official SDK and a bare client on a real socket, scripted models behind it."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serve_app.hosting import Limits
from serve_app.protocols.openai_responses.stored import Stored
from serve_app.protocols.openai_responses.websocket import WAITING, Memory, events_in
from tests.serve_app.response_shapes import assert_response, assert_response_event
from tests.serve_app.responses_door import TOOLS, Door, calls_then_answers, opened, outputs
from tests.serve_app.scripted_host import KEY, MODEL, Script, plays, says, started
from workflows.answer import AnswerEvent, AnswerFailed, RunRequest
from workflows.errors import Failure
from workflows.messages import TextDelta

BUSY = AnswerFailed(failure=Failure("upstream_busy", "The model is busy.", retryable=True, retry_after=7.0))


async def silent(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    yield started(run)
    await asyncio.Event().wait()


@asynccontextmanager
async def socket(door: Door, **headers: str) -> AsyncIterator[ClientConnection]:
    url = door.url.replace("http", "ws") + "/v1/responses"
    async with connect(url, additional_headers={"authorization": f"Bearer {KEY}"} | headers) as connection:
        yield connection


@asynccontextmanager
async def connected(
    script: Script, limits: Limits | None = None
) -> AsyncIterator[tuple[Door, ClientConnection]]:
    async with opened(script, limits, "websockets-sansio") as door, socket(door) as connection:
        yield door, connection


async def create(connection: ClientConnection, **body: Any) -> None:
    await connection.send(json.dumps({"type": "response.create", "model": MODEL, "input": "Hi"} | body))


async def heard(connection: ClientConnection) -> list[dict[str, Any]]:
    """Every event up to one that ends a response, or says what is wrong."""
    events: list[dict[str, Any]] = []
    while not events or not events[-1]["type"].endswith(("completed", "incomplete", "failed", "error")):
        events.append(json.loads(await connection.recv()))
    return events


async def test_the_sdk_streams_an_answer_and_continues_it() -> None:
    async with (
        opened(says("Hello", " world"), ws="websockets-sansio") as door,
        door.client.responses.connect() as connection,
    ):
        await connection.response.create(model=MODEL, input="Hi", store=False)
        first = [event async for event in until_completed(connection)]
        await connection.response.create(
            model=MODEL, input="More", store=False, previous_response_id=first[-1].response.id
        )
        second = [event async for event in until_completed(connection)]
    assert first[-1].response.output_text == "Hello world"
    for events in (first, second):
        assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [message.text for message in door.host.runs[1].request.messages] == ["Hi", "Hello world", "More"]


async def until_completed(connection: Any) -> AsyncIterator[Any]:
    while True:
        event = await connection.recv()
        yield event
        if event.type == "response.completed":
            return


async def test_every_event_is_of_the_sdks_type_and_the_same_as_over_http() -> None:
    async with connected(calls_then_answers) as (door, connection):
        await create(connection, tools=TOOLS, metadata={"a": "b"})
        told = await heard(connection)
        stream = await door.client.responses.create(
            model=MODEL, input="Hi", tools=TOOLS, metadata={"a": "b"}, stream=True
        )
        over_http = [event.type async for event in stream]
    for event in told:
        assert_response_event(event)
    assert [event["type"] for event in told] == over_http


async def test_tool_results_continue_a_response_that_was_never_stored() -> None:
    async with connected(calls_then_answers) as (door, connection):
        await create(connection, tools=TOOLS, store=False)
        first = (await heard(connection))[-1]["response"]
        results = outputs([item["call_id"] for item in first["output"]])
        await create(connection, input=results, tools=TOOLS, store=False, previous_response_id=first["id"])
        second = (await heard(connection))[-1]["response"]
    assert second["previous_response_id"] == first["id"]
    assert [message.role for message in door.host.runs[1].request.messages] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]


async def test_a_stored_response_is_continued_on_another_connection() -> None:
    async with connected(says("Hello")) as (door, connection):
        await create(connection)
        stored = (await heard(connection))[-1]["response"]["id"]
        async with socket(door) as other:
            await create(other, previous_response_id=stored, input="More")
            assert (await heard(other))[-1]["type"] == "response.completed"
    assert len(door.host.runs[1].request.messages) == 3


async def test_what_was_not_stored_is_known_to_its_connection_only() -> None:
    async with connected(says("Hello")) as (door, connection):
        await create(connection, store=False)
        hidden = (await heard(connection))[-1]["response"]["id"]
        async with socket(door) as other:
            await create(other, previous_response_id=hidden)
            (error,) = await heard(other)
    assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")
    assert error["error"]["param"] == "previous_response_id"


async def test_a_warm_up_asks_no_model_and_can_be_continued() -> None:
    async with connected(says("Hello")) as (door, connection):
        await create(
            connection, generate=False, store=False, input=[{"role": "developer", "content": "Be brief."}]
        )
        warm = await heard(connection)
        assert door.host.runs == []
        await create(connection, store=False, previous_response_id=warm[-1]["response"]["id"])
        await heard(connection)
        await create(connection, generate=False, input=[])
        empty = await heard(connection)
    assert [event["type"].removeprefix("response.") for event in warm] == [
        "created",
        "in_progress",
        "completed",
    ]
    assert_response(warm[-1]["response"])
    assert (warm[-1]["response"]["output"], empty[-1]["type"]) == ([], "response.completed")
    assert [message.text for message in door.host.runs[0].request.messages] == ["Be brief.", "Hi"]


async def test_requests_are_answered_one_after_the_other() -> None:
    async with connected(says("Hello")) as (door, connection):
        for number in range(WAITING):
            await create(connection, input=str(number))
        answers = [await heard(connection) for _ in range(WAITING)]
    ids = [{event["response"]["id"] for event in events if "response" in event} for events in answers]
    assert all(len(each) == 1 for each in ids)
    assert [run.request.messages[-1].text for run in door.host.runs] == list(map(str, range(WAITING)))


async def test_a_client_that_leaves_ends_its_run_at_once() -> None:
    async with opened(silent, ws="websockets-sansio") as door:
        async with socket(door) as connection:
            await create(connection)
            await door.host.asked.wait()
        await asyncio.wait_for(door.host.closed.wait(), 5)


async def test_a_silent_answer_is_kept_alive_by_numbered_events() -> None:
    async with connected(silent, Limits(commit_after=0.01, keepalive=0.02)) as (_, connection):
        await create(connection)
        events = [json.loads(await connection.recv()) for _ in range(4)]
    assert [event["type"] for event in events] == ["response.created", *["response.in_progress"] * 3]
    assert [event["sequence_number"] for event in events] == [0, 1, 2, 3]


async def test_an_early_failure_has_its_status_and_the_connection_goes_on() -> None:
    async with connected(plays(BUSY), Limits(commit_after=30)) as (door, connection):
        await create(connection)
        (error,) = await heard(connection)
        door.host.script = says("Hello")
        await create(connection)
        assert (await heard(connection))[-1]["type"] == "response.completed"
    assert (error["type"], error["status"], error["headers"]["retry-after"]) == ("error", 429, "7")
    assert error["error"]["code"] == "rate_limit_exceeded"
    assert error["message"] == "The model is busy. Please try again in 7s."


async def test_a_failure_in_the_middle_is_a_failed_response_that_cannot_be_continued() -> None:
    async with connected(plays(TextDelta("Hel"), BUSY)) as (_, connection):
        await create(connection, store=False)
        failed = (await heard(connection))[-1]
        await create(connection, store=False, previous_response_id=failed["response"]["id"])
        (error,) = await heard(connection)
    assert_response_event(failed)
    assert failed["response"]["error"]["code"] == "rate_limit_exceeded"
    assert error["error"]["code"] == "previous_response_not_found"


async def test_after_a_failed_request_what_it_continued_is_forgotten() -> None:
    async with connected(says("Hello")) as (door, connection):
        await create(connection, store=False)
        first = (await heard(connection))[-1]["response"]["id"]
        door.host.script = plays(BUSY)
        await create(connection, store=False, previous_response_id=first)
        await heard(connection)
        await create(connection, store=False, previous_response_id=first)
        (error,) = await heard(connection)
    assert error["error"]["code"] == "previous_response_not_found"


@pytest.mark.parametrize(
    ("message", "status", "param"),
    [
        ("{", 400, "type"),
        ("[]", 400, "type"),
        ('{"type": "response.steer"}', 400, "type"),
        ('{"type": "response.create", "input": "Hi"}', 400, "model"),
        ('{"type": "response.create", "model": "nope", "input": "Hi"}', 404, None),
        (
            json.dumps({"type": "response.create", "model": MODEL, "input": [{"role": 1}]}),
            400,
            "input.0.role",
        ),
        (json.dumps({"type": "response.create", "model": MODEL}), 400, "input"),
    ],
)
async def test_a_wrong_message_is_an_error_event(message: str, status: int, param: str | None) -> None:
    async with connected(says("Hello")) as (_, connection):
        await connection.send(message)
        (error,) = await heard(connection)
        assert (error["status"], error["error"]["param"]) == (status, param)
        await create(connection)
        assert (await heard(connection))[-1]["type"] == "response.completed"


async def test_without_the_key_there_is_no_connection() -> None:
    async with opened(says("Hello"), ws="websockets-sansio") as door:
        with pytest.raises(InvalidStatus) as refused:
            async with socket(door, authorization="Bearer sk-wrong"):
                pass
        with pytest.raises(InvalidStatus) as misled:
            async with socket(door, **{"x-stellarator-fusion": "perhaps"}):
                pass
    response = refused.value.response
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(response.body or b"")["error"]["code"] == "invalid_api_key"
    assert response.headers["x-request-id"].startswith("req_")
    assert misled.value.response.status_code == 400


async def test_a_connection_has_a_request_id_and_hands_its_wishes_to_every_run() -> None:
    async with (
        opened(says("Hello"), ws="websockets-sansio") as door,
        socket(door, **{"x-stellarator-fusion": "never"}) as connection,
    ):
        assert connection.response
        assert connection.response.headers["x-request-id"].startswith("req_")
        await create(connection)
        await heard(connection)
    assert door.host.runs[0].panel == "never"


@pytest.mark.parametrize(
    ("flood", "code", "status"),
    [(["x" * 2000], 1009, 413), ([b"bytes"], 1008, 400), (["{}"] * 40, 1008, 400)],
)
async def test_a_client_that_breaks_the_bounds_is_told_and_sent_away(
    flood: list[str | bytes], code: int, status: int
) -> None:
    async with connected(silent, Limits(max_body_bytes=1000)) as (door, connection):
        if len(flood) > 1:
            await create(connection)
            await door.host.asked.wait()
        for message in flood:
            await connection.send(message)
        with suppress(ConnectionClosed):
            while True:
                last = json.loads(await connection.recv())
    assert connection.close_code == code
    assert (last["type"], last["status"]) == ("error", status)


async def test_after_its_time_a_connection_is_told_to_come_again() -> None:
    async with connected(says("Hello"), Limits(connection_lifetime=0.2)) as (_, connection):
        await create(connection)
        assert (await heard(connection))[-1]["type"] == "response.completed"
        (error,) = await heard(connection)
        await connection.wait_closed()
        assert connection.close_code == 1000
    assert error["error"]["code"] == "websocket_connection_limit_reached"


def test_a_connection_remembers_the_newest_responses_only() -> None:
    memory = Memory(size=2)
    for name in ("a", "b", "c"):
        response: Any = {"id": name}
        memory.keep(Stored(response, []))
    assert [memory.get(name) is not None for name in ("a", "b", "c")] == [False, True, True]
    memory.forget("b")
    memory.forget(None)
    assert memory.get("b") is None


def test_events_are_found_in_the_bytes_of_a_stream() -> None:
    body = b'event: a\ndata: {"type":"a"}\n\nevent: b\ndata: {"x":"data: y"}\n\n'
    assert list(events_in(body)) == ['{"type":"a"}', '{"x":"data: y"}']
    assert list(events_in(b"")) == []
