"""Call any server that speaks Chat Completions: vLLM, Ollama, llama.cpp, OpenRouter, Ray Serve LLM, OpenAI."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager

import aiohttp
import httpx

from actors.models.openai_compatible import faults
from actors.models.openai_compatible.decode import Answer
from actors.models.openai_compatible.encode import body, left_out
from actors.models.openai_compatible.sse import Decoder, EventTooLong
from workflows.errors import UpstreamMalformed, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from workflows.messages import ChatRequest, Delta, StreamItem

DRAIN_SECONDS = 0.5
"""How long the end of a response is waited for after the answer is over, so that its connection can be used again."""

MAX_ERROR_BYTES = 64 * 1024
_DONE = b"[DONE]"
_PATH = "/chat/completions"
_NEWER_LIMIT = ("api.openai.com", ".openai.azure.com")
"""Hosts whose newer models refuse `max_tokens` for `max_completion_tokens`; other servers know only the former."""


class OpenAICompatibleModel:
    """One model of one server.

    Args:
        pool: connections.
        base_url: the server's address, with or without ``/v1``, with or without ``user:password@``.
        model: the server's name of the model.
        api_key: sent as a bearer token; None: no key.
        headers: more headers.

    Raises:
        UpstreamRefused: `base_url` is not an address.
    """

    def __init__(
        self,
        pool: httpx.AsyncClient,
        base_url: str,
        model: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        with _translated(model):
            url = httpx.URL(endpoint(base_url))
        self._pool = pool
        self._url = url.copy_with(userinfo=b"")  # never in a message, and the transport would refuse it
        self._model = model
        self._key = api_key
        self._headers = {
            "content-type": "application/json",
            "accept": "text/event-stream",
            "accept-encoding": "identity",  # a compressing proxy holds tokens back
            **(headers or {}),
        }
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        elif url.userinfo:
            self._headers["authorization"] = f"Basic {b64encode(url.userinfo).decode()}"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream one answer."""
        with _translated(self._model):
            async with self._pool.stream(
                "POST", self._url, content=self._body(request), headers=self._headers
            ) as response:
                if response.status_code != httpx.codes.OK:
                    refusal = await _first_bytes(response)
                    raise faults.from_status(
                        self._model, response.status_code, response.headers, refusal, self._key
                    )
                async with aclosing(self._read(response, request)) as items:
                    async for item in items:
                        yield item

    def _body(self, request: ChatRequest) -> bytes:
        told = body(self._model, request)
        if "max_tokens" in told and self._url.host.endswith(_NEWER_LIMIT):
            told["max_completion_tokens"] = told.pop("max_tokens")
        # Half a surrogate pair, which a client may send, has no UTF-8.
        return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")

    async def _read(self, response: httpx.Response, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        answer = Answer(self._model, request, left_out(request))
        if "application/json" in response.headers.get("content-type", ""):
            for delta in answer.feed(self._object(await response.aread())):  # it does not stream
                yield delta
            yield answer.completion(done=True)
            return
        decoder, chunks = Decoder(), response.aiter_bytes()
        async for chunk in chunks:
            for data in self._events(decoder, chunk):
                if data == _DONE:
                    yield answer.completion(done=True)
                    await _drain(chunks)
                    return
                for delta in answer.feed(self._object(data)):
                    yield delta
        for delta in self._rest(decoder, answer):
            yield delta
        yield answer.completion()

    def _events(self, decoder: Decoder, chunk: bytes) -> Iterator[bytes]:
        try:
            yield from decoder.feed(chunk)
        except EventTooLong as error:
            raise UpstreamMalformed(self._model, "the server sent an endless event") from error

    def _rest(self, decoder: Decoder, answer: Answer) -> Iterator[Delta]:
        """What came without its blank line before the stream ended."""
        for data in decoder.end():
            if data != _DONE:
                yield from answer.feed(self._object(data))

    def _object(self, data: bytes) -> dict[str, object]:
        try:
            told = json.loads(data)
        except ValueError as error:
            raise UpstreamMalformed(self._model, "the server sent an event that is not JSON") from error
        if not isinstance(told, dict):
            raise UpstreamMalformed(self._model, "the server sent an event that is not an object")
        if told.get("error"):
            raise faults.from_event(self._model, told["error"], self._key)
        return told


def endpoint(base_url: str) -> str:
    """The address to post to. A base without a path gets ``/v1``, where every server we know has its API."""
    base = base_url.rstrip("/").removesuffix(_PATH).rstrip("/")
    has_path = "/" in base.partition("://")[2]
    return f"{base}{'' if has_path else '/v1'}{_PATH}"


@contextmanager
def _translated(model: str) -> Iterator[None]:
    """Turn what breaks on the way into our errors; never repeats an address, which may hold a key.

    The transport calls every lost connection a timeout, so its cause decides.
    """
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise UpstreamRefused(model, "`base_url` is not an address that can be called") from error
    except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
        cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ else error
        if isinstance(cause, TimeoutError):
            raise UpstreamTimeout(model, "the server did not accept the connection in time") from error
        if isinstance(cause, aiohttp.ClientConnectorError):
            raise UpstreamUnavailable(model, "the server cannot be reached") from error
        raise UpstreamUnavailable(model, f"the connection broke ({type(cause).__name__})") from error


async def _first_bytes(response: httpx.Response) -> bytes:
    """The beginning of an error's body: enough for its message, however long it is."""
    read = b""
    async for chunk in response.aiter_bytes():
        read += chunk
        if len(read) >= MAX_ERROR_BYTES:
            break
    return read[:MAX_ERROR_BYTES]


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the end of a response that is over."""
    with contextlib.suppress(TimeoutError, httpx.HTTPError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
