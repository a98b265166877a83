"""``POST /v1/messages`` and ``POST /v1/messages/count_tokens``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import Response

from actors.models.estimate import estimate
from serve_app.bodies import Json
from serve_app.errors import AnthropicErrorEnvelope, error_body, fault_of
from serve_app.hosting import Host, Limits, Records
from serve_app.ids import new_run_id
from serve_app.late import LateAnswer
from serve_app.protocols.admission import admitted
from serve_app.protocols.answers import answer_headers, succeeding, whole
from serve_app.protocols.anthropic_messages import wire
from serve_app.protocols.anthropic_messages.stream import MessageEncoder, error_event
from serve_app.protocols.anthropic_messages.translate import (
    chat_request,
    run_request,
    shows_thinking,
    whole_message,
)
from serve_app.protocols.controls import controls_of
from serve_app.sse import EventStream
from workflows.answer import RunRequest
from workflows.messages import ChatRequest, Message, Usage


def messages_router(host: Host, records: Records, limits: Limits) -> APIRouter:
    """The routes of Anthropic Messages in front of `host` and `records`."""
    router = APIRouter(
        tags=["Anthropic Messages"],
        responses={"4XX": {"model": AnthropicErrorEnvelope}, "5XX": {"model": AnthropicErrorEnvelope}},
    )

    @router.post(
        "/v1/messages",
        response_model=None,
        responses={200: {"model": wire.WholeMessage, "content": {"text/event-stream": {}}}},
    )
    async def create_message(body: wire.MessagesRequest, request: Request) -> Response:
        """Ask a virtual model; the answer comes whole, or as server-sent events when `stream` is true."""
        mounted = host.workflow(body.model).mounted
        run = run_request(body, controls_of(request.headers, progress=limits.progress), mounted, new_run_id())
        run = await admitted(host, records, run, request)
        thinking = shows_thinking(body)
        if not run.stream:
            return _whole(host, run, request, limits, thinking=thinking)
        return _streamed(host, run, request, limits, thinking=thinking)

    @router.post("/v1/messages/count_tokens")
    async def count_message_tokens(body: wire.CountTokensRequest) -> wire.MessageTokensCount:
        """Estimate how long a conversation is; no model is asked, so ask as often as you like."""
        host.workflow(body.model)
        return {"input_tokens": _size(chat_request(body)).input_tokens}

    return router


def _whole(host: Host, run: RunRequest, request: Request, limits: Limits, *, thinking: bool) -> LateAnswer:
    """The answer in one piece."""

    async def answer() -> Response:
        finished = await whole(host.answer(run))
        return Json(whole_message(run, finished, thinking=thinking), headers=answer_headers(finished))

    return LateAnswer(answer(), limits=limits, failure=lambda error: error_body(error, request.scope))


def _streamed(
    host: Host, run: RunRequest, request: Request, limits: Limits, *, thinking: bool
) -> EventStream:
    encoder = MessageEncoder(run.run_id, run.virtual_model, _size(run.request), thinking=thinking)
    request_id = request.state.request_id
    return EventStream(
        _events(host, run, encoder),
        limits=limits,
        opening=encoder.opening(),
        ping=encoder.ping,
        failure=lambda error: error_event(fault_of(error, request_id), request_id),
    )


async def _events(host: Host, run: RunRequest, encoder: MessageEncoder) -> AsyncGenerator[bytes, None]:
    async with aclosing(succeeding(host.answer(run))) as answer:
        async for event in answer:
            if piece := encoder.encode(event):
                yield piece


def _size(conversation: ChatRequest) -> Usage:
    """An estimate of the conversation's size, before any model has counted it."""
    return estimate(conversation, Message("assistant", ()))
