import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from serve_app.hosting import Limits
from serve_app.sse import COMMENT, EventStream, frame
from tests.serve_app.asgi_client import Client, others

SOON = Limits(commit_after=0.01, keepalive=0.02)
LATE = Limits(commit_after=60, keepalive=60)


class Source:
    """Pieces given one by one; None hangs until the source is closed, an exception is raised."""

    def __init__(self, *pieces: bytes | Exception | None) -> None:
        self._pieces = pieces
        self.closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                if isinstance(piece, Exception):
                    raise piece
                if piece is None:
                    await asyncio.Event().wait()
                else:
                    yield piece
        finally:
            await asyncio.sleep(0)
            self.closed = True


def stream(source: Source, limits: Limits = LATE) -> EventStream:
    return EventStream(
        source.chunks(),
        limits=limits,
        opening=b"<open>",
        ping=lambda: b"<ping>",
        failure=lambda error: f"<{error}>".encode(),
    )


async def serve(response: EventStream, client: Client) -> None:
    await response({"type": "http"}, client.receive, client.send)


def test_a_frame_is_one_event_of_the_standard() -> None:
    assert frame("{}") == b"data: {}\n\n"
    assert frame("{}", event_id="7", event="step_started") == b"event: step_started\nid: 7\ndata: {}\n\n"


async def test_pieces_are_written_as_they_come_after_the_opening() -> None:
    client, source = Client(), Source(b"a", b"b")
    await serve(stream(source), client)
    start, *pieces = client.messages
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert dict(start["headers"])[b"cache-control"] == b"no-cache"
    assert [piece["body"] for piece in pieces] == [b"<open>a", b"b", b""]
    assert client.complete
    assert source.closed
    assert not others()


async def test_the_first_piece_does_not_wait_for_the_moment_of_commitment() -> None:
    client, source = Client(), Source(b"a", None)
    serving = asyncio.create_task(serve(stream(source, LATE), client))
    await asyncio.wait_for(client.hears(b"<open>a"), 5)
    client.gone.set()
    await serving


async def test_headers_and_opening_do_not_wait_for_a_late_first_piece() -> None:
    client, source = Client(), Source(None)
    serving = asyncio.create_task(serve(stream(source, Limits(commit_after=0.01)), client))
    await asyncio.wait_for(client.hears(b"<open>"), 5)
    client.gone.set()
    await serving


async def test_silence_is_broken_again_and_again() -> None:
    client, source = Client(), Source(b"a", None)
    serving = asyncio.create_task(serve(stream(source, SOON), client))
    await asyncio.wait_for(client.hears(b"<open>a<ping><ping>"), 5)
    client.gone.set()
    await serving


async def test_an_error_before_the_first_byte_is_raised() -> None:
    client, source = Client(), Source(KeyError("lost"))
    with pytest.raises(KeyError):
        await serve(stream(source), client)
    assert client.messages == []
    assert source.closed
    assert not others()


async def test_an_error_after_the_first_byte_ends_the_stream_in_its_own_form() -> None:
    client, source = Client(), Source(b"a", ValueError("broken"))
    await serve(stream(source), client)
    assert client.body == b"<open>a<broken>"
    assert client.complete
    assert source.closed


async def test_a_client_that_goes_away_closes_the_source_at_once() -> None:
    client, source = Client(), Source(b"a", None)
    serving = asyncio.create_task(serve(stream(source), client))
    await client.hears(b"a")
    client.gone.set()
    await asyncio.wait_for(serving, 1)
    assert source.closed
    assert not client.complete
    assert not others()


async def test_a_server_that_cancels_closes_the_source_at_once() -> None:
    client, source = Client(), Source(b"a", None)
    serving = asyncio.create_task(serve(stream(source), client))
    await client.hears(b"a")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert source.closed
    assert not others()


async def test_a_sign_of_life_never_splits_a_piece() -> None:
    """A slow connection makes writers wait; what they write must still be whole and in order."""

    class SlowClient(Client):
        async def send(self, message: Message) -> None:
            for byte in message.get("body", b"") or b"":
                await asyncio.sleep(0.001)
                await super().send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            if not message.get("more_body", True):
                await super().send({"type": "http.response.body", "body": b"", "more_body": False})

    client, source = SlowClient(), Source(*[b"(piece)"] * 20)
    await serve(stream(source, Limits(commit_after=0, keepalive=0)), client)
    assert client.body.replace(b"<ping>", b"") == b"<open>" + b"(piece)" * 20


def test_the_standard_sign_of_life_is_a_comment() -> None:
    assert COMMENT.startswith(b":")
    assert COMMENT.endswith(b"\n\n")
