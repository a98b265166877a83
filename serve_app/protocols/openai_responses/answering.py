"""What the HTTP route and the WebSocket mode share: an encoder for a request, and an answer told by it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from serve_app.hosting import Host
from serve_app.protocols.answers import succeeding
from serve_app.protocols.openai_responses import wire
from serve_app.protocols.openai_responses.body import begun
from serve_app.protocols.openai_responses.stream import ResponseEncoder
from serve_app.protocols.openai_responses.translate import Asked, form_of
from workflows.answer import RunRequest

PATH = "/v1/responses"


def encoder_for(body: wire.ResponseRequest, understood: Asked, run: RunRequest) -> ResponseEncoder:
    """The encoder of this run's answer."""
    response = begun(body, run.run_id, int(time.time()))
    return ResponseEncoder(response, run.run_id, form_of(body, understood), time.time)


async def encoded(host: Host, run: RunRequest, encoder: ResponseEncoder) -> AsyncGenerator[bytes, None]:
    """Run it, and yield the answer's events as server-sent events; raises as `succeeding` does."""
    async with aclosing(succeeding(host.answer(run))) as answer:
        async for event in answer:
            if told := encoder.encode(event):
                yield told
