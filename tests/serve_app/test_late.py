import asyncio
import json
from collections.abc import Callable

import pytest
from starlette.responses import JSONResponse, Response

from serve_app.hosting import Limits
from serve_app.late import LateAnswer
from tests.serve_app.asgi_client import Client, others

PATIENT = Limits(commit_whole_after=60, keepalive=60)
HASTY = Limits(commit_whole_after=0.01, keepalive=0.01)


class Work:
    """Comes to a response, or to an error, once it is released."""

    def __init__(self, come_to: Callable[[], Response], *, at_once: bool = False) -> None:
        self._come_to = come_to
        self.released = asyncio.Event()
        self.stopped = False
        if at_once:
            self.released.set()

    async def answer(self) -> Response:
        try:
            await self.released.wait()
            return self._come_to()
        finally:
            await asyncio.sleep(0)
            self.stopped = True


def done() -> Response:
    return JSONResponse({"answer": 42}, headers={"x-cost": "1"})


def broken() -> Response:
    raise ValueError("broken")


async def serve(work: Work, client: Client, limits: Limits) -> None:
    response = LateAnswer(
        work.answer(), limits=limits, failure=lambda error: json.dumps({"error": str(error)}).encode()
    )
    await response({"type": "http"}, client.receive, client.send)


async def test_a_quick_answer_is_sent_as_it_is() -> None:
    client = Client()
    await serve(Work(done, at_once=True), client, PATIENT)
    start, body = client.messages
    headers = dict(start["headers"])
    assert headers[b"x-cost"] == b"1"
    assert int(headers[b"content-length"]) == len(body["body"])
    assert json.loads(client.body) == {"answer": 42}
    assert not others()


async def test_a_quick_failure_is_raised_and_can_have_a_status() -> None:
    client, work = Client(), Work(broken, at_once=True)
    with pytest.raises(ValueError, match="broken"):
        await serve(work, client, PATIENT)
    assert client.messages == []
    assert work.stopped
    assert not others()


async def test_a_late_answer_is_json_behind_white_space() -> None:
    client, work = Client(), Work(done)
    serving = asyncio.create_task(serve(work, client, HASTY))
    await client.hears(b"   ")
    work.released.set()
    await serving
    start, *pieces = client.messages
    headers = dict(start["headers"])
    assert (start["status"], headers[b"content-type"]) == (200, b"application/json")
    assert b"content-length" not in headers
    assert all(piece["body"] == b" " for piece in pieces[:-1])
    assert json.loads(client.body) == {"answer": 42}
    assert client.complete
    assert not others()


async def test_a_late_failure_is_in_the_body() -> None:
    client, work = Client(), Work(broken)
    serving = asyncio.create_task(serve(work, client, HASTY))
    await client.hears(b" ")
    work.released.set()
    await serving
    assert json.loads(client.body) == {"error": "broken"}
    assert client.complete


@pytest.mark.parametrize("limits", [PATIENT, HASTY])
async def test_a_client_that_goes_away_ends_the_work(limits: Limits) -> None:
    client, work = Client(), Work(done)
    serving = asyncio.create_task(serve(work, client, limits))
    if limits is HASTY:
        await client.hears(b" ")
    else:
        await asyncio.sleep(0)
    client.gone.set()
    await asyncio.wait_for(serving, 1)
    assert not client.complete
    assert not others()


async def test_a_server_that_cancels_ends_the_work() -> None:
    client, work = Client(), Work(done)
    serving = asyncio.create_task(serve(work, client, HASTY))
    await client.hears(b" ")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert work.stopped
    assert not others()
