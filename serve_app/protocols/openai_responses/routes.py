"""``POST /v1/responses``; its WebSocket mode is in `websocket`, stored responses are in `stored_routes`."""

from __future__ import annotations

from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.models.estimate import estimate
from serve_app.bodies import Json
from serve_app.errors import error_body, fault_of
from serve_app.hosting import Host, Limits, Records
from serve_app.ids import new_run_id
from serve_app.late import LateAnswer
from serve_app.protocols.admission import admitted
from serve_app.protocols.answers import answer_headers, succeeding
from serve_app.protocols.controls import Controls, controls_of
from serve_app.protocols.openai_responses import wire, wire_out
from serve_app.protocols.openai_responses.answering import PATH, encoded, encoder_for
from serve_app.protocols.openai_responses.background import begun_in_background
from serve_app.protocols.openai_responses.stored import conversation
from serve_app.protocols.openai_responses.stored_routes import stored_router
from serve_app.protocols.openai_responses.stream import ResponseEncoder
from serve_app.protocols.openai_responses.translate import asked, run_request, wants_compaction
from serve_app.protocols.openai_responses.websocket import websocket_router
from serve_app.sse import EventStream
from workflows.answer import AnswerFinished, RunRequest
from workflows.messages import Message


def responses_router(host: Host, records: Records, limits: Limits) -> APIRouter:
    """The routes of Responses in front of `host` and `records`."""
    router = APIRouter(tags=["Responses"])
    router.include_router(websocket_router(host, records, limits))

    @router.post(
        PATH,
        response_model=None,
        responses={200: {"model": wire_out.Response, "content": {"text/event-stream": {}}}},
    )
    async def create_response(body: wire.ResponseRequest, request: Request) -> Response:
        """Ask a virtual model; the answer comes whole, or as server-sent events when `stream` is true."""
        mounted = host.workflow(body.model).mounted
        understood = asked(body, await conversation(records, body))
        run = run_request(
            body, understood, controls_of(request.headers, progress=limits.progress), mounted, new_run_id()
        )
        run = await admitted(host, records, run, request)
        encoder = encoder_for(body, understood, run)
        if body.background:
            return await begun_in_background(host, run, encoder, request, limits)
        if not run.stream:
            return _whole(host, run, encoder, request, limits)
        return EventStream(
            encoded(host, run, encoder),
            limits=limits,
            opening=encoder.opening(),
            ping=encoder.ping,
            failure=lambda error: encoder.failed(fault_of(error, request.state.request_id)),
        )

    @router.post(f"{PATH}/input_tokens")
    async def count_input_tokens(body: wire.InputTokensRequest) -> wire_out.InputTokens:
        """Estimate the size of a conversation, without asking any model."""
        if body.model:
            host.workflow(body.model)
        understood = asked(body, await conversation(records, body))
        used = estimate(understood.request, Message("assistant", ()))
        return {"object": "response.input_tokens", "input_tokens": used.input_tokens}

    @router.post(f"{PATH}/compact", response_model=None, responses={200: {"model": wire_out.Compaction}})
    async def compact_response(body: wire.ResponseRequest, request: Request) -> Response:
        """Have one model summarise a conversation; what comes out takes its place in the next request."""
        host.workflow(body.model)
        items = await conversation(records, body)
        if not wants_compaction(items):
            items = [*items, wire.CompactionTriggerItem(type="compaction_trigger")]
        body = body.model_copy(update={"stream": False, "store": False})
        understood = asked(body, items)
        run = run_request(body, understood, Controls(panel="never"), (), new_run_id())
        request.state.run_id = run.run_id
        return _compacted(host, run, encoder_for(body, understood, run), request, limits)

    router.include_router(stored_router(host, records, limits))
    return router


async def _finish(host: Host, run: RunRequest, encoder: ResponseEncoder) -> dict[str, str]:
    """Let the encoder sum up the whole answer; give the headers that go with it."""
    headers: dict[str, str] = {}
    async with aclosing(succeeding(host.answer(run))) as answer:
        async for event in answer:
            encoder.encode(event)
            if isinstance(event, AnswerFinished):
                headers = answer_headers(event)
    return headers


def _whole(
    host: Host, run: RunRequest, encoder: ResponseEncoder, request: Request, limits: Limits
) -> LateAnswer:
    """The answer in one piece. One that fails when its status is sent is a response that says so itself."""

    async def answer() -> Response:
        headers = await _finish(host, run, encoder)
        return Json(encoder.response, headers=headers)

    def failure(error: Exception) -> bytes:
        encoder.failed(fault_of(error, request.state.request_id))
        return bytes(Json(encoder.response).body)

    return LateAnswer(answer(), limits=limits, failure=failure)


def _compacted(
    host: Host, run: RunRequest, encoder: ResponseEncoder, request: Request, limits: Limits
) -> LateAnswer:
    async def answer() -> Response:
        headers = await _finish(host, run, encoder)
        response = encoder.response
        compaction = {
            "id": response["id"],
            "object": "response.compaction",
            "created_at": response["created_at"],
            "output": response["output"],
            "usage": response["usage"],
        }
        return Json(compaction, headers=headers)

    return LateAnswer(answer(), limits=limits, failure=lambda error: error_body(error, request.scope))
