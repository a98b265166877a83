"""What holds for every request, as plain ASGI wrappers: identity, the key, the size of the body.

Not Starlette's `BaseHTTPMiddleware`: that puts a task and a queue between a streamed answer and its client.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster import metrics
from cluster.instruments import REFUSED
from serve_app.auth import is_authorized
from serve_app.dialect import path_of, speaks_anthropic
from serve_app.errors import fault_of, fault_response
from serve_app.ids import new_request_id
from workflows.errors import Unauthorized

REQUEST_ID_HEADER = "x-request-id"
ANTHROPIC_REQUEST_ID_HEADER = "request-id"
RUN_ID_HEADER = "x-stellarator-run-id"
REPLAYED_HEADER = "idempotent-replayed"
"""On an answer that was there already, as its request's idempotency key said."""

_SANE_ID = re.compile(r"[A-Za-z0-9_.:/+=-]{1,128}")


_STARTS = {"http.response.start", "websocket.http.response.start", "websocket.accept"}
_REFUSED = 400
_PROTOCOLS = {
    "/v1/chat/completions": "openai_chat",
    "/v1/responses": "openai_responses",
    "/v1/messages": "anthropic_messages",
}


def _refusal(scope: Scope, status: int) -> dict[str, str]:
    """A refused request in a metric's words; a path that is not a model's door has no protocol."""
    return {"status": str(status), "protocol": _PROTOCOLS.get(path_of(scope), "")}


def can_be_answered(scope: Scope) -> bool:
    """Whether a response can be sent: to an HTTP request always, to a WebSocket where the server has the extension."""
    return scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {})


class Identity:
    """Outermost: every request has an id, every response names its run when there is one, no error gets past.

    A request that comes with an `x-request-id` keeps it, so that logs can be joined; who gave it knows it, and
    Ray Serve, which gives one to every request, puts it on the response itself, but not on a WebSocket's. Any other
    gets an id here.
    Clients of Anthropic's API read it under a name of their own, on every response.
    Routes put the run's id into ``request.state.run_id``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        is_named = bool(_SANE_ID.fullmatch(given))
        state["request_id"] = given if is_named else new_request_id()
        started = False

        async def send_identified(message: Message) -> None:
            nonlocal started
            if message["type"] in _STARTS:
                started = True
                if message.get("status", 0) >= _REFUSED:
                    metrics.record(REFUSED, 1, _refusal(scope, message["status"]))
                _identify(message, scope, is_named=is_named)
            await send(message)

        try:
            await self._app(scope, receive, send_identified)
        except Exception as error:  # noqa: BLE001  # the last guard: a client never sees a traceback
            fault = fault_of(error, state["request_id"])
            if not started and can_be_answered(scope):
                await fault_response(fault, scope)(scope, receive, send_identified)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1011})


def _identify(message: Message, scope: Scope, *, is_named: bool) -> None:
    """Put the ids into the headers of a response, or of a WebSocket's acceptance."""
    message.setdefault("headers", [])
    headers = MutableHeaders(scope=message)
    state = scope["state"]
    if not is_named or scope["type"] == "websocket":
        headers[REQUEST_ID_HEADER] = state["request_id"]
    if speaks_anthropic(scope):
        headers[ANTHROPIC_REQUEST_ID_HEADER] = state["request_id"]
    if state.get("replayed"):
        headers[REPLAYED_HEADER] = "true"
    if run_id := state.get("run_id"):
        headers[RUN_ID_HEADER] = run_id


class Locked:
    """Lets requests in that bring the key. Paths in `free` need none."""

    def __init__(self, app: ASGIApp, key: str, free: Collection[str]) -> None:
        self._app = app
        self._key = key
        self._free = frozenset(free)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it with 401."""
        is_free = scope["type"] == "lifespan" or path_of(scope) in self._free
        if is_free or is_authorized(scope["headers"], self._key):
            await self._app(scope, receive, send)
        elif can_be_answered(scope):
            fault = fault_of(Unauthorized(), scope["state"]["request_id"])
            await fault_response(fault, scope)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


class BodyLimit:
    """Refuses bodies of more than `max_bytes`: by their announced length at once, else while they are read."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; too large a body becomes a 413 in the place that reads it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            fault = fault_of(self._too_large(), scope["state"]["request_id"])
            await fault_response(fault, scope)(scope, receive, send)
            return
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._max_bytes:
                    raise self._too_large()
            return message

        await self._app(scope, receive_limited, send)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"The request body is larger than {self._max_bytes} bytes.")
