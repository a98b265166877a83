"""JSON answers that may take minutes, kept alive by white space, which may stand before any JSON.

Clients and proxies give up on a connection without a byte (Node's fetch after 300 s, many proxies after 60 s). So an
answer that takes longer than `Limits.commit_whole_after` commits itself to 200 and trickles. The price is that an
error can then no longer have a status or headers of its own; it still has its body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.disconnect import stop, while_connected
from serve_app.hosting import Limits


class LateAnswer(Response):
    """Sends the response that `answer` comes to: as it is when it is quick, behind white space when it is late.

    The work is cancelled when the client goes away. An error before the commitment is raised, and so becomes an
    ordinary error response; after it the body is what `failure` makes of it.

    Args:
        answer: the work; it comes to a JSON response with status 200.
        failure: makes the body of an answer that failed late.
    """

    media_type = "application/json"

    def __init__(
        self,
        answer: Coroutine[Any, Any, Response],
        *,
        limits: Limits,
        failure: Callable[[Exception], bytes],
    ) -> None:
        # Not Response.__init__: it would render a body and its length, and there is none yet.
        self.status_code = 200
        self.background = None
        self.init_headers()
        self._answer = answer
        self._limits = limits
        self._failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; returns silently when its client is gone."""
        try:
            await while_connected(receive, self._serve(scope, receive, send))
        except ClientDisconnect:
            return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = asyncio.create_task(self._answer)
        try:
            if await _is_done(answering, self._limits.commit_whole_after):
                await answering.result()(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send(_piece(b" "))
            while not await _is_done(answering, self._limits.keepalive):
                await send(_piece(b" "))
            await send(_piece(self._ending(answering), more=False))
        finally:
            await stop(answering)

    def _ending(self, answered: asyncio.Task[Response]) -> bytes:
        try:
            return bytes(answered.result().body)
        except Exception as error:  # noqa: BLE001  # the status is sent; the body is the only place left for it
            return self._failure(error)


async def _is_done(task: asyncio.Task[Response], within: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=within)
    return bool(done)


def _piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}
