"""The end of a response whose replica died: an error as the client's API has them, instead of a cut connection.

Runs in Serve's proxy process, which holds the client's connection and outlives the replicas. Serve itself ends such
a response with a bare 500, or closes the connection in the middle of a stream, and clients cannot tell that from an
answer that is over. And the proxy of a node that has just joined answers 404 in plain text while it knows no routes;
every path of ours is the gateway's, which answers in JSON, so that becomes an error to try again, too. `cluster.settings` names `middlewares` to Serve (RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH).
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.dialect import path_of, speaks_anthropic
from serve_app.errors import Fault, anthropic_envelope, error_body, fault_of, fault_response, openai_envelope
from serve_app.sse import frame
from workflows.errors import ReplicaLost

_RESPONSES_PATH = "/v1/responses"
_SEQUENCE = re.compile(rb'"sequence_number":\s*(\d+)')


def middlewares() -> list[Middleware]:
    """What Serve's proxy wraps its application in."""
    return [Middleware(LastWord)]


class LastWord:
    """Ends what the application left open. What it ended itself passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        heard = _Heard()

        async def send_heard(message: Message) -> None:
            heard.note(message)
            if not heard.routeless:
                await send(message)

        await self._app(scope, receive, send_heard)
        if heard.over and not heard.routeless:
            return
        scope.setdefault("state", {})["request_id"] = Headers(scope=scope).get("x-request-id", "")
        if heard.headers is None or heard.routeless:
            fault = fault_of(ReplicaLost(), scope["state"]["request_id"])
            await fault_response(fault, scope)(scope, receive, send)
        elif "content-length" not in heard.headers:  # what has a length cannot be ended otherwise
            await send({"type": "http.response.body", "body": _ending(scope, heard), "more_body": False})


class _Heard:
    """What the application has sent so far of one response."""

    def __init__(self) -> None:
        self.headers: Headers | None = None
        self.last = b""
        self.over = False
        self.routeless = False

    def note(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.headers = Headers(raw=list(message["headers"]))
            plain = self.headers.get("content-type", "").startswith("text/plain")
            self.routeless = plain and message["status"] == HTTPStatus.NOT_FOUND
        elif message["type"] == "http.response.body":
            self.last = message.get("body") or self.last
            self.over = not message.get("more_body", False)


def _ending(scope: Scope, heard: _Heard) -> bytes:
    """The last piece of a response that was begun."""
    streamed = heard.headers is not None and "text/event-stream" in heard.headers.get("content-type", "")
    if not streamed:
        return error_body(ReplicaLost(), scope)
    request_id = scope["state"]["request_id"]
    fault = fault_of(ReplicaLost(), request_id)
    if speaks_anthropic(scope):
        return frame(json.dumps(anthropic_envelope(fault, request_id)), event="error")
    if path_of(scope).startswith(_RESPONSES_PATH):
        return _responses_error(fault, heard.last)
    return frame(json.dumps(openai_envelope(fault)))


def _responses_error(fault: Fault, last: bytes) -> bytes:
    """The error event of the Responses API, numbered behind the last event that was sent."""
    numbers = _SEQUENCE.findall(last)
    event = {
        "type": "error",
        "code": fault.code,
        "message": fault.message,
        "param": None,
        "sequence_number": int(numbers[-1]) + 1 if numbers else 0,
    }
    return frame(json.dumps(event), event="error")
