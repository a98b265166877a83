"""Thousands of waiting branches: memory, time to take off and to drain, time until all are stopped.

The upstream holds every branch until all of them are there, so that they are in flight at once however slowly a machine
starts them; then it lets all go at the same moment, or the clients hang up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import httpx

from tests.bench.effort import Effort
from tests.bench.figures import Figure
from tests.bench.load import PROMPT, load
from tests.bench.scenes import STEP_S, fusion, rules
from tests.bench.stand import Server, product, upstream

COUNTS = (100, 1000, 5000)
BRANCHES = 10
MODEL = "held"
PATIENT = {"collect": {"quorum": BRANCHES, "timeout": "600s", "deadline": "700s"}}

PATIENCE_S = 300.0
POLL_S = 0.02


def measure(effort: Effort) -> Iterator[Figure]:
    """Panels of ten branches each, until so many branches wait at once."""
    with upstream(rules()) as models:
        workflow = fusion("sleepers", models.base_url, [MODEL] * BRANCHES, tool=PATIENT)
        warm = fusion("warm", models.base_url)
        with product([workflow, warm]) as server:
            load(server, "warm", 20, 4)
            idle = server.processes.memory_bytes()
            for count in COUNTS:
                runs = effort.of(count // BRANCHES)
                yield from asyncio.run(_held(server, models, count, runs, idle))
            yield asyncio.run(_cancelled(server, models, COUNTS[-1], runs))


async def _held(server: Server, models: Server, count: int, runs: int, idle: int) -> Sequence[Figure]:
    """So many branches are at the upstream; then all go on at once."""
    began = time.perf_counter()
    async with _asking(server, runs) as asked:
        await _until(models, "open", runs * BRANCHES)
        off = time.perf_counter() - began
        memory = await asyncio.to_thread(server.processes.memory_bytes)
        began = time.perf_counter()
        await asyncio.to_thread(_release, models)
        await asyncio.gather(*asked)
        drained = time.perf_counter() - began
    return (
        Figure(f"branches_{count}_rss_gb", memory / 1e9, "GB", f"idle {idle / 1e9:.2f} GB"),
        Figure(f"branches_{count}_takeoff_s", off - STEP_S, "s", f"{runs} clients at once"),
        Figure(
            f"branches_{count}_drain_s", drained - 2 * STEP_S, "s", "until the last client has its answer"
        ),
    )


async def _cancelled(server: Server, models: Server, count: int, runs: int) -> Figure:
    """Seconds from the clients' hanging up until the upstream has seen every branch hang up."""
    async with _asking(server, runs) as asked:
        await _until(models, "open", runs * BRANCHES)
        began = time.perf_counter()
        for task in asked:
            task.cancel()
        await _until(models, "aborted", runs * BRANCHES)
        return Figure(
            f"branches_{count}_cancel_s", time.perf_counter() - began, "s", f"{runs * BRANCHES} branches"
        )


@asynccontextmanager
async def _asking(server: Server, runs: int) -> AsyncIterator[Sequence[asyncio.Task[None]]]:
    """So many clients, each with a request; they have hung up at the end."""
    body = {"model": "sleepers", "messages": [{"role": "user", "content": PROMPT}]}
    headers = {"authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers=headers, timeout=aiohttp.ClientTimeout(None)
    ) as session:

        async def one() -> None:
            async with session.post(f"{server.base_url}/chat/completions", json=body) as response:
                response.raise_for_status()
                await response.read()

        asked = [asyncio.create_task(one()) for _ in range(runs)]
        try:
            yield asked
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


async def _until(models: Server, outcome: str, wanted: int) -> None:
    """Return when the upstream has seen so many branches come to that."""
    until = time.monotonic() + PATIENCE_S
    while (seen := await asyncio.to_thread(_counted, models, outcome)) < wanted:
        if time.monotonic() > until:
            raise TimeoutError(f"the upstream saw {seen} branches {outcome}, not {wanted}")
        await asyncio.sleep(POLL_S)


def _release(models: Server) -> None:
    httpx.post(f"{models.base_url.removesuffix('/v1')}/release/{MODEL}").raise_for_status()


def _counted(models: Server, outcome: str) -> int:
    counts = httpx.get(f"{models.base_url.removesuffix('/v1')}/tally", timeout=60).json()
    return int(counts.get(MODEL, {}).get(outcome, 0))
