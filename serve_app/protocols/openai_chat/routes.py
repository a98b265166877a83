"""``POST /v1/chat/completions``."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import Response

from serve_app.bodies import Json
from serve_app.errors import error_body, fault_of
from serve_app.hosting import Host, Limits, Records
from serve_app.ids import new_run_id
from serve_app.late import LateAnswer
from serve_app.protocols.admission import admitted
from serve_app.protocols.answers import answer_headers, succeeding, whole
from serve_app.protocols.controls import controls_of
from serve_app.protocols.openai_chat import wire
from serve_app.protocols.openai_chat.stream import ChunkEncoder, error_chunk
from serve_app.protocols.openai_chat.translate import completion, custom_tools, run_request
from serve_app.sse import EventStream
from workflows.answer import RunRequest


def chat_router(host: Host, records: Records, limits: Limits) -> APIRouter:
    """The routes of Chat Completions in front of `host` and `records`."""
    router = APIRouter(tags=["Chat Completions"])

    @router.post(
        "/v1/chat/completions",
        response_model=None,
        responses={200: {"model": wire.ChatCompletion, "content": {"text/event-stream": {}}}},
    )
    async def create_chat_completion(body: wire.ChatCompletionRequest, request: Request) -> Response:
        """Ask a virtual model; the answer comes whole, or as server-sent events when `stream` is true."""
        mounted = host.workflow(body.model).mounted
        run = run_request(body, controls_of(request.headers, progress=limits.progress), mounted, new_run_id())
        run = await admitted(host, records, run, request)
        if not run.stream:
            return _whole(host, run, request, limits, custom_tools(body))
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        return _streamed(host, run, request, limits, include_usage=include_usage)

    return router


def _whole(
    host: Host, run: RunRequest, request: Request, limits: Limits, custom: Collection[str]
) -> LateAnswer:
    """The answer in one piece."""
    created = int(time.time())

    async def answer() -> Response:
        finished = await whole(host.answer(run))
        return Json(completion(run, finished, created, custom), headers=answer_headers(finished))

    return LateAnswer(
        answer(),
        limits=limits,
        failure=lambda error: error_body(error, request.scope),
    )


def _streamed(
    host: Host, run: RunRequest, request: Request, limits: Limits, *, include_usage: bool
) -> EventStream:
    encoder = ChunkEncoder(run.run_id, run.virtual_model, int(time.time()), include_usage=include_usage)
    return EventStream(
        _chunks(host, run, encoder),
        limits=limits,
        opening=encoder.opening(),
        ping=encoder.ping,
        failure=lambda error: error_chunk(fault_of(error, request.state.request_id)),
    )


async def _chunks(host: Host, run: RunRequest, encoder: ChunkEncoder) -> AsyncGenerator[bytes, None]:
    async with aclosing(succeeding(host.answer(run))) as answer:
        async for event in answer:
            if chunk := encoder.encode(event):
                yield chunk
