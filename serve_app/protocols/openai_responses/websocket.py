"""The WebSocket mode of Responses: one connection, many requests, one after the other.

A client sends ``response.create`` with the body of ``POST /v1/responses`` and gets the same events as there, each as one
JSON message. What ``previous_response_id`` continues is kept with the connection, also for ``store: false``; with
``generate: false`` nothing is generated, but the response that comes back can be continued. What goes wrong before
the first event is an ``error`` event with the status that HTTP would have had.

Source: developers.openai.com/api/docs/guides/websocket-mode. The ``error`` event has its fields twice: under ``error``, as
that page and Codex have them, and beside it, as the SDKs' types have them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect, WebSocketState

from serve_app.bodies import Json, compact
from serve_app.disconnect import stop
from serve_app.errors import Fault, fault_of, fault_response, openai_envelope
from serve_app.hosting import Host, Limits, Records
from serve_app.ids import new_run_id
from serve_app.protocols.controls import Controls, controls_of
from serve_app.protocols.openai_responses import wire, wire_out
from serve_app.protocols.openai_responses.answering import PATH, encoded, encoder_for
from serve_app.protocols.openai_responses.body import begun
from serve_app.protocols.openai_responses.stored import Stored, conversation
from serve_app.protocols.openai_responses.stream import Form, ResponseEncoder
from serve_app.protocols.openai_responses.tools import ToolNames
from serve_app.protocols.openai_responses.translate import asked, run_request
from serve_app.sse import EventStream
from serve_app.tracing import message_span
from workflows.errors import RequestInvalid, StellaratorError

WAITING = 8
"""Requests that may wait for the one under way; a client that sends more is not one that we know."""
REMEMBERED = 16
"""Responses that a connection keeps, the newest ones."""
NORMAL, POLICY, TOO_BIG = 1000, 1008, 1009
"""Close codes of RFC 6455."""

_CREATE = "response.create"
_TRANSPORT = ("type", "stream", "background", "generate")
"""What a ``response.create`` has beside the body, or must not decide here."""
_DATA = b"data: "
_UPGRADE = "This address takes a POST, or a WebSocket."
_LIMIT = "The connection's time is over; open a new one to go on."


def websocket_router(host: Host, records: Records, limits: Limits) -> APIRouter:
    """The WebSocket mode in front of `host` and `records`."""
    router = APIRouter()

    @router.websocket(PATH)
    async def connect(websocket: WebSocket) -> None:
        try:
            controls = controls_of(websocket.headers, progress=limits.progress)
        except StellaratorError as error:
            fault = fault_of(error, websocket.state.request_id)
            await websocket.send_denial_response(fault_response(fault, websocket.scope))
            return
        await websocket.accept()
        await _Connection(websocket, host, records, limits, controls).serve()

    @router.get(PATH, include_in_schema=False)
    async def refuse_upgrade(request: Request) -> Response:
        """Servers without WebSockets hand the upgrade on as an ordinary request. Codex then goes on by HTTP at once."""
        if request.headers.get("upgrade", "").lower() != "websocket":
            raise HTTPException(405, "Method Not Allowed", {"allow": "POST"})
        fault = Fault(status=426, code="websocket_not_supported", message=_UPGRADE, headers={})
        return Json(openai_envelope(fault), 426, {"upgrade": "HTTP/1.1"})

    return router


@dataclass(frozen=True, slots=True)
class _Ended:
    """Why the connection is to be closed, with the last word to its client; no fault when the client left."""

    code: int
    fault: Fault | None = None


class Memory:
    """The responses that a connection can continue, by id; the oldest are forgotten."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._kept: OrderedDict[str, Stored] = OrderedDict()

    def get(self, id_: str | None) -> Stored | None:
        """The response with that id, if it is still known."""
        return self._kept.get(id_ or "")

    def keep(self, stored: Stored) -> None:
        """Remember it as the newest."""
        self._kept[stored.response["id"]] = stored
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def forget(self, id_: str | None) -> None:
        """As after a failed request: its client starts anew instead of continuing what cannot be continued."""
        self._kept.pop(id_ or "", None)


class _Connection:
    """One client. One task listens, another answers; whichever ends first ends the other."""

    def __init__(
        self, websocket: WebSocket, host: Host, records: Records, limits: Limits, controls: Controls
    ) -> None:
        self._websocket = websocket
        self._host = host
        self._records = records
        self._limits = limits
        self._controls = controls
        self._inbox: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self._memory = Memory()

    async def serve(self) -> None:
        """Answer until the client leaves, breaks a rule or has been there long enough."""
        listener = asyncio.create_task(self._listen())
        worker = asyncio.create_task(self._work())
        try:
            done, _ = await asyncio.wait({listener, worker}, return_when=asyncio.FIRST_COMPLETED)
            ended = done.pop().result()
        finally:
            await stop(listener, worker)
        if ended.fault is not None:
            with suppress(WebSocketDisconnect):
                await self._say(error_event(ended.fault))
                await self._websocket.close(ended.code)

    async def _listen(self) -> _Ended:
        """Take requests in at once, so that a client that leaves is noticed while it is answered."""
        while True:
            try:
                text = await self._websocket.receive_text()
            except WebSocketDisconnect:
                return _Ended(NORMAL)
            except KeyError:
                return _Ended(POLICY, _refused("A message must be text, not bytes."))
            if len(text.encode("utf-8", "replace")) > self._limits.max_body_bytes:
                return _Ended(TOO_BIG, _refused("The message is too large.", "request_too_large", 413))
            if self._inbox.full():
                return _Ended(POLICY, _refused("Too many requests wait on this connection."))
            self._inbox.put_nowait(text)

    async def _work(self) -> _Ended:
        until = asyncio.get_running_loop().time() + self._limits.connection_lifetime
        while True:
            try:
                async with asyncio.timeout_at(until):
                    text = await self._inbox.get()
            except TimeoutError:
                return _Ended(NORMAL, _refused(_LIMIT, "websocket_connection_limit_reached"))
            try:
                await self._answer(text)
            except WebSocketDisconnect:
                return _Ended(NORMAL)

    async def _answer(self, text: str) -> None:
        """Answer one request; what goes wrong before its first event is an `error` event."""
        previous: str | None = None
        try:
            body, generate = request_in(text)
            previous = body.previous_response_id
            await self._respond(body, generate=generate)
        except WebSocketDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  # one request's failure is not the connection's
            self._memory.forget(previous)
            fault = fault_of(error, self._websocket.state.request_id)
            if fault.param == "previous_response_id":
                fault = replace(fault, code="previous_response_not_found")
            await self._say(error_event(fault))

    async def _respond(self, body: wire.ResponseRequest, *, generate: bool) -> None:
        mounted = self._host.workflow(body.model).mounted
        items = await conversation(self._records, body, self._memory.get(body.previous_response_id))
        if generate:
            with message_span(PATH, self._controls.traceparent) as context:
                controls = replace(self._controls, traceparent=context)
                response = await self._generate(body, items, controls, mounted)
        else:
            response = await self._prepare(body)
        if response["status"] == "failed":
            self._memory.forget(body.previous_response_id)
        else:
            self._memory.keep(Stored(response, items))

    async def _generate(
        self,
        body: wire.ResponseRequest,
        items: list[wire.Item],
        controls: Controls,
        mounted: Collection[str],
    ) -> wire_out.Response:
        """Stream the answer as the HTTP route does: late commitment, signs of life, failures in their own shape."""
        understood = asked(body, items)
        run = run_request(body, understood, controls, mounted, new_run_id())
        encoder = encoder_for(body, understood, run)
        stream = EventStream(
            encoded(self._host, run, encoder),
            limits=self._limits,
            opening=encoder.opening(),
            ping=encoder.ping,
            failure=lambda error: encoder.failed(fault_of(error, run.run_id)),
        )
        await stream({}, _never, self._send)
        return encoder.response

    async def _prepare(self, body: wire.ResponseRequest) -> wire_out.Response:
        """A response without an answer, to be continued; there may be no input yet."""
        run_id = new_run_id()
        encoder = ResponseEncoder(
            begun(body, run_id, int(time.time())), run_id, Form(names=ToolNames(())), time.time
        )
        await self._send({"type": "http.response.body", "body": encoder.opening() + encoder.nothing()})
        return encoder.response

    async def _send(self, message: Message) -> None:
        """The body of an HTTP response, event by event."""
        for event in events_in(message.get("body", b"")):
            await self._say(event)

    async def _say(self, event: str) -> None:
        if self._websocket.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnect
        await self._websocket.send_text(event)


def events_in(body: bytes) -> Iterator[str]:
    """The data of server-sent events, which is one line each."""
    for line in body.splitlines():
        if line.startswith(_DATA):
            yield line.removeprefix(_DATA).decode()


def error_event(fault: Fault) -> str:
    """A fault that is not part of a response."""
    error = openai_envelope(fault)["error"]
    return compact(
        {
            "type": "error",
            "status": fault.status,
            "error": error,
            "headers": dict(fault.headers),
            "code": error["code"],
            "message": error["message"],
            "param": error["param"],
            "sequence_number": 0,
        }
    )


def request_in(text: str) -> tuple[wire.ResponseRequest, bool]:
    """The request in a client's message, and whether an answer is to be generated.

    Raises:
        RequestInvalid: the message is no ``response.create``.
        RequestValidationError: its body is wrong, as FastAPI would have said it.
    """
    try:
        told = json.loads(text)
    except ValueError as error:
        raise RequestInvalid("type", "the message must be one JSON object") from error
    if not isinstance(told, dict) or told.get("type") != _CREATE:
        raise RequestInvalid("type", f"must be `{_CREATE}`")
    body = {name: value for name, value in told.items() if name not in _TRANSPORT}
    try:
        return wire.ResponseRequest.model_validate(body | {"stream": True}), told.get("generate") is not False
    except ValidationError as error:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise RequestValidationError(problems, body=body) from error


async def _never() -> Message:
    """To EventStream its client never goes away: the listener ends the whole answer instead."""
    await asyncio.Event().wait()
    raise AssertionError  # the event is nobody's to set


def _refused(message: str, code: str = "invalid_request", status: int = 400) -> Fault:
    return Fault(status=status, code=code, message=message, headers={})
