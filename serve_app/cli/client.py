"""A client of our own HTTP endpoint: what any program may do with the base URL and the key, and no more.

`chat` asks as a normal client would and yields the answer's text; `tail` follows what happens in a run.
Both raise `RunError` when the server refuses or cannot be reached.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from workflows.errors import RunError
from workflows.events import Event, event_adapter

RUN_ID_HEADER = "x-stellarator-run-id"
_NO_PROGRESS = {"x-stellarator-progress": "off"}
"""`tail` tells more."""
_SOON = 0.1
"""Seconds between two looks for a run whose first event is not stored yet."""


def connect(base_url: str, api_key: str) -> httpx.AsyncClient:
    """A client for that server (`base_url` ends in ``/v1``). Patient: a panel takes as long as it takes."""
    return httpx.AsyncClient(
        base_url=base_url.removesuffix("/v1"),
        headers={"authorization": f"Bearer {api_key}"},
        timeout=httpx.Timeout(10.0, read=None),
        trust_env=False,
    )


async def chat(
    client: httpx.AsyncClient, model: str, prompt: str, on_run: Callable[[str], None]
) -> AsyncGenerator[str, None]:
    """Ask `model`; yield the visible answer as it comes. `on_run` is told the run's id as soon as it is known."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
    async with _response(client, "POST", "/v1/chat/completions", body, _NO_PROGRESS) as response:
        if run_id := response.headers.get(RUN_ID_HEADER):
            on_run(run_id)
        await _refuse_errors(response)
        async for data in _server_sent(response):
            if data == "[DONE]":
                return
            chunk = json.loads(data)
            if "error" in chunk:
                raise RunError(_message(chunk))
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield text
    raise RunError("The server broke off its answer.")


async def tail(client: httpx.AsyncClient, run_id: str) -> AsyncGenerator[Event, None]:
    """Yield the run's events as they are stored, from its first one until the server ends the stream."""
    while True:
        async with _response(client, "GET", f"/api/runs/{run_id}/events") as response:
            if response.status_code != httpx.codes.NOT_FOUND:
                await _refuse_errors(response)
                async for data in _server_sent(response):
                    told = json.loads(data)
                    if "error" in told:
                        raise RunError(_message(told))
                    yield event_adapter.validate_python(told)
                return
        await asyncio.sleep(_SOON)


@asynccontextmanager
async def _response(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[httpx.Response]:
    try:
        async with client.stream(method, path, json=body, headers=headers) as response:
            yield response
    except httpx.HTTPError as error:
        raise RunError(
            f"The server at {client.base_url} cannot be reached ({type(error).__name__})."
        ) from error


async def _server_sent(response: httpx.Response) -> AsyncIterator[str]:
    """The data of server-sent events; ours are one line each, and comments are signs of life."""
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


async def _refuse_errors(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        envelope = json.loads(await response.aread())
    except ValueError:
        envelope = {}
    raise RunError(_message(envelope) or f"The server answered with status {response.status_code}.")


def _message(envelope: Any) -> str:
    """The message in an error envelope of OpenAI's shape; empty when there is none."""
    error = envelope.get("error") if isinstance(envelope, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""
