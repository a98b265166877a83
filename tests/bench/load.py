"""The load generator: Chat Completions over one event loop, as lean as can be, so that it measures the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import aiohttp

from tests.bench.stand import Server

_TEXT = re.compile(rb'"content": ?"[^"]')
PROMPT = "Review this plan: we split the monolith into services over two quarters."


@dataclass(frozen=True, slots=True)
class Sample:
    """One exchange, in seconds: the whole, until the first text, and the longest silence between two pieces of text."""

    seconds: float
    first_text: float
    longest_gap: float


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load."""

    samples: tuple[Sample, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return len(self.samples) / self.seconds

    @property
    def latencies(self) -> list[float]:
        return [sample.seconds for sample in self.samples]


def load(
    server: Server,
    model: str,
    count: int,
    at_once: int,
    *,
    stream: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """Send `count` requests, `at_once` of them at any time.

    Raises:
        aiohttp.ClientError: a request failed, and with it the measurement.
    """
    return asyncio.run(_load(server, model, count, at_once, stream=stream, more=headers or {}))


async def _load(
    server: Server, model: str, count: int, at_once: int, *, stream: bool, more: Mapping[str, str]
) -> Load:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}
    left, samples = iter(range(count)), list[Sample]()
    connections = aiohttp.TCPConnector(limit=0)
    headers = {"authorization": f"Bearer {server.key}", **more}
    url = f"{server.base_url}/chat/completions"
    async with aiohttp.ClientSession(connector=connections, headers=headers) as session:

        async def client() -> None:
            for _ in left:
                samples.append(await exchange(session, url, body))

        began = perf_counter()
        await asyncio.gather(*(client() for _ in range(at_once)))
        seconds = perf_counter() - began
    return Load(tuple(samples), seconds)


async def exchange(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Sample:
    """One request to its end. Raises `aiohttp.ClientError` for a failure."""
    began = last = perf_counter()
    first = gap = 0.0
    async with session.post(url, json=body) as response:
        response.raise_for_status()
        if not body.get("stream"):
            await response.read()
            return Sample(perf_counter() - began, 0.0, 0.0)
        async for line in response.content:
            if not _TEXT.search(line):
                continue
            now = perf_counter()
            if first:
                gap = max(gap, now - last)
            first, last = first or now - began, now
    return Sample(perf_counter() - began, first, gap)
