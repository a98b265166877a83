"""A replica that dies leaves a response open; its client gets an error of its API all the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from serve_app.last_word import LastWord

START = {"type": "http.response.start", "status": 200}
EVENTS = {**START, "headers": [(b"content-type", b"text/event-stream")]}
JSON = {**START, "headers": [(b"content-type", b"application/json")]}
PIECE = b'data: {"type": "response.created", "sequence_number": 3}\n\n'


def sending(*messages: dict[str, Any]) -> LastWord:
    """An application that sends these messages and no more."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return LastWord(app)


async def asked(app: LastWord, path: str, messages: Sequence[Message] = ()) -> httpx.Response:
    assert messages == ()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        return await client.post(path, json={}, headers={"x-request-id": "req-1"})


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_a_response_that_never_began_is_an_error_with_a_status(path: str) -> None:
    answer = await asked(sending(), path)
    assert answer.status_code >= 500
    assert "died" in answer.json()["error"]["message"]
    assert answer.json()["error"]["type"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_a_proxy_that_knows_no_routes_yet_answers_with_an_error_to_try_again(path: str) -> None:
    start = {"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]}
    told = piece(b"Path '/v1' not found. Ping http://.../-/routes for available routes.", more=False)
    answer = await asked(sending(start, told), path)
    assert answer.status_code >= 500  # Anthropic has a status of its own for it
    assert answer.headers["retry-after"]
    assert answer.json()["error"]["type"]


async def test_a_chat_stream_ends_with_an_error_chunk() -> None:
    answer = await asked(sending(EVENTS, piece(b'data: {"choices": []}\n\n')), "/v1/chat/completions")
    last = answer.text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "replica_lost"


async def test_a_messages_stream_ends_with_its_error_event() -> None:
    answer = await asked(sending(EVENTS, piece(b"event: ping\ndata: {}\n\n")), "/v1/messages")
    name, data = answer.text.split("\n\n")[-2].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["type"] == "error"


async def test_a_responses_stream_ends_with_its_error_event_in_its_place() -> None:
    answer = await asked(sending(EVENTS, piece(PIECE)), "/v1/responses")
    name, data = answer.text.split("\n\n")[-2].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["sequence_number"] == 4


async def test_a_whole_answer_that_was_kept_alive_ends_as_json() -> None:
    answer = await asked(sending(JSON, piece(b" "), piece(b" ")), "/v1/chat/completions")
    assert answer.json()["error"]["code"] == "replica_lost"


async def test_what_is_over_passes_untouched() -> None:
    answer = await asked(sending(EVENTS, piece(PIECE), piece(b"", more=False)), "/v1/responses")
    assert answer.content == PIECE
