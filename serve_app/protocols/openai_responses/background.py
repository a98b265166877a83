"""Responses in the background: begun for somebody who comes back, and streamed to whoever does.

The stream of a kept run is the same for everybody who reads it, with the same numbers: so its signs of life are comments,
which have none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Request
from starlette.responses import Response

from serve_app.bodies import Json
from serve_app.errors import fault_of
from serve_app.hosting import Host, Limits
from serve_app.protocols.answers import succeeding
from serve_app.protocols.openai_responses.stream import ResponseEncoder
from serve_app.sse import EventStream
from workflows.answer import RunRequest


async def begun_in_background(
    host: Host, run: RunRequest, encoder: ResponseEncoder, request: Request, limits: Limits
) -> Response:
    """Begin a run that goes on by itself; the response is queued, or a stream that may break off and be resumed."""
    await host.keep(run)
    if run.stream:
        return background_stream(host, run.run_id, encoder, request, limits)
    return Json(encoder.response)


def background_stream(
    host: Host, run_id: str, encoder: ResponseEncoder, request: Request, limits: Limits
) -> EventStream:
    """What a run in the background says, from where the encoder wants it on; leaving it changes nothing."""
    return EventStream(
        _events(host, run_id, encoder),
        limits=limits,
        opening=encoder.opening(),
        failure=lambda error: encoder.failed(fault_of(error, request.state.request_id)),
    )


async def _events(host: Host, run_id: str, encoder: ResponseEncoder) -> AsyncGenerator[bytes, None]:
    async with aclosing(succeeding(host.follow(run_id))) as answer:
        async for event in answer:
            if encoded := encoder.encode(event):
                yield encoded
