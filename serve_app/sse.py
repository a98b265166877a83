"""Responses that are written while their content is being made: server-sent events, kept alive.

The rules behind the numbers are in the measured behaviour of real clients: headers and the opening piece
within a second, then a sign of life every 10 to 15 s in a form that the client's parser knows, because
several clients give up on silence, and some also on SSE comments.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.disconnect import stop, while_connected
from serve_app.hosting import Limits

COMMENT = b": alive\n\n"
"""A sign of life for readers that follow the SSE standard."""


def frame(data: str, *, event_id: str = "", event: str = "") -> bytes:
    """One server-sent event. `data` is JSON, hence one line."""
    named = f"event: {event}\n" if event else ""
    numbered = f"id: {event_id}\n" if event_id else ""
    return f"{named}{numbered}data: {data}\n\n".encode()


class EventStream(Response):
    """Writes pieces as they come.

    `chunks` is consumed in one task, closed in that task when it ends or when the client goes away, and
    never touched by anything else: silence is watched by a second task that only writes. So a piece costs no
    timer, queue or task of its own.

    An error before the first byte is raised, and so becomes an ordinary error response; after it the
    response ends with what `failure` makes of it, without a normal end.

    Args:
        chunks: the pieces, in their final bytes.
        opening: written together with the headers.
        ping: makes a sign of life that this stream's clients understand.
        failure: makes the last piece of a stream that failed.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        *,
        limits: Limits,
        failure: Callable[[Exception], bytes],
        opening: bytes = b"",
        ping: Callable[[], bytes] = lambda: COMMENT,
    ) -> None:
        # Not Response.__init__: it would render a body and its length, and there is none yet.
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no"})
        self._chunks = chunks
        self._opening = opening
        self._ping = ping
        self._failure = failure
        self._limits = limits
        self._started = False
        self._written_at = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Serve one request; returns silently when its client is gone."""
        try:
            await while_connected(receive, self._serve(send))
        except ClientDisconnect:
            return

    async def _serve(self, send: Send) -> None:
        pulse = asyncio.create_task(self._pulse(send))
        try:
            async with aclosing(self._chunks):
                async for chunk in self._chunks:
                    await self._write(send, chunk)
            await self._write(send, b"", more=False)
        except Exception as error:
            if not self._started:
                raise
            await self._write(send, self._failure(error), more=False)
        finally:
            await stop(pulse)

    async def _pulse(self, send: Send) -> None:
        """Commit to 200 when the first piece is late, then break every silence."""
        await asyncio.sleep(self._limits.commit_after)
        if not self._started:
            await self._write(send, b"")
        while True:
            silence = asyncio.get_running_loop().time() - self._written_at
            if silence >= self._limits.keepalive:
                await self._write(send, self._ping())
            else:
                await asyncio.sleep(self._limits.keepalive - silence)

    async def _write(self, send: Send, chunk: bytes, *, more: bool = True) -> None:
        async with self._lock:
            if not self._started:
                self._started = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                chunk = self._opening + chunk
            if chunk or not more:
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
            self._written_at = asyncio.get_running_loop().time()
