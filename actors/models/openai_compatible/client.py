"""Call any server that speaks Chat Completions: vLLM, Ollama, llama.cpp, OpenRouter, Ray Serve LLM, OpenAI.

httpx on aiohttp's transport: the API of httpx at a quarter of its CPU, also with a thousand connections. One pool
for each server and process, unbounded, because bounds are the coordinator's business; a read may take as long as
the call's own timeout lets it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping

import httpx
from httpx_aiohttp import AiohttpTransport

from actors.models.openai_compatible import faults
from actors.models.openai_compatible.decode import Answer
from actors.models.openai_compatible.encode import body
from actors.models.openai_compatible.sse import Decoder, EventTooLong
from workflows.errors import UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from workflows.messages import ChatRequest, StreamItem

CONNECT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 60.0
_UNBOUNDED = 0  # aiohttp's own word for it; None would mean 100
_DONE = b"[DONE]"


def connection_pool() -> httpx.AsyncClient:
    """A client for many concurrent streams; lives on one event loop."""
    limits = httpx.Limits(max_connections=_UNBOUNDED, keepalive_expiry=KEEP_ALIVE_SECONDS)
    return httpx.AsyncClient(
        transport=AiohttpTransport(limits=limits),
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        follow_redirects=False,
    )


class OpenAICompatibleModel:
    """One model of one server."""

    def __init__(
        self,
        pool: httpx.AsyncClient,
        base_url: str,
        model: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._pool = pool
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._headers = {"content-type": "application/json", "accept": "text/event-stream", **(headers or {})}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream one answer."""
        content = json.dumps(body(self._model, request), ensure_ascii=False).encode()
        try:
            async with self._pool.stream(
                "POST", self._url, content=content, headers=self._headers
            ) as response:
                if response.status_code != httpx.codes.OK:
                    error_body = await response.aread()
                    raise faults.from_status(self._model, response.status_code, response.headers, error_body)
                async for item in self._read(response, request):
                    yield item
        except httpx.TimeoutException as error:
            raise UpstreamTimeout(self._model, "the server did not accept the connection in time") from error
        except httpx.HTTPError as error:
            raise UpstreamUnavailable(
                self._model, f"the connection failed ({type(error).__name__})"
            ) from error

    async def _read(self, response: httpx.Response, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        decoder, answer = Decoder(), Answer(self._model, request)
        try:
            async for chunk in response.aiter_bytes():
                for data in decoder.feed(chunk):
                    if data == _DONE:
                        yield answer.completion(done=True)
                        return
                    for delta in answer.feed(self._object(data)):
                        yield delta
            for data in decoder.end():
                for delta in answer.feed(self._object(data)):
                    yield delta
        except EventTooLong as error:
            raise UpstreamMalformed(self._model, "the server sent an endless event") from error
        yield answer.completion()

    def _object(self, data: bytes) -> dict[str, object]:
        try:
            told = json.loads(data)
        except ValueError as error:
            raise UpstreamMalformed(self._model, "the server sent an event that is not JSON") from error
        if not isinstance(told, dict):
            raise UpstreamMalformed(self._model, "the server sent an event that is not an object")
        if told.get("error"):
            raise faults.from_event(self._model, told["error"])
        return told
