"""Thousands of waiting branches: memory, added latency, time to drain, time until all are stopped."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator

import aiohttp
import httpx

from tests.bench.effort import Effort
from tests.bench.figures import Figure
from tests.bench.load import PROMPT, load
from tests.bench.scenes import fusion, rules
from tests.bench.stand import Server, product, upstream

COUNTS = (100, 1000, 5000)
BRANCHES = 10
SLEEP_S = 5.0
STEPS_S = 3 * 0.1
"""Two turns of the main LLM and the synthesis, around the sleeping branches."""

PATIENCE_S = 120.0
POLL_S = 0.02


def measure(effort: Effort) -> Iterator[Figure]:
    """Panels of ten branches each, until so many branches wait at once."""
    sleepers, stones = ["sleeper"] * BRANCHES, ["stone"] * BRANCHES
    with upstream(rules()) as models:
        workflows = [fusion("sleepers", models.base_url, sleepers), fusion("stones", models.base_url, stones)]
        with product(workflows) as server:
            load(server, "sleepers", 4, 4)
            idle = server.processes.memory_bytes()
            for count in COUNTS:
                runs = effort.of(count // BRANCHES)
                yield from _sleep(server, models, count, runs, idle)
            yield _cancelled(server, models, effort.of(5000 // BRANCHES))


def _sleep(server: Server, models: Server, count: int, runs: int, idle: int) -> Iterator[Figure]:
    asked, memory = asyncio.run(_held(server, models, "sleepers", runs, "sleeper"))
    yield Figure(f"branches_{count}_rss_gb", memory / 1e9, "GB", f"idle {idle / 1e9:.2f} GB")
    yield Figure(f"branches_{count}_added_s", asked - SLEEP_S - STEPS_S, "s", "until the last answer")


def _cancelled(server: Server, models: Server, runs: int) -> Figure:
    """Seconds from the clients' hanging up until the upstream has seen every branch hang up."""
    seconds, _ = asyncio.run(_held(server, models, "stones", runs, "stone", hang_up=True))
    return Figure("branches_5000_cancel_s", seconds, "s", f"{runs * BRANCHES} branches")


async def _held(
    server: Server, models: Server, workflow: str, runs: int, model: str, *, hang_up: bool = False
) -> tuple[float, int]:
    """Start the runs, wait until all branches are at the upstream; then wait for the answers, or hang up.

    Returns the seconds, of the whole or from the hanging up, and the memory with all branches waiting.
    """
    before = _seen(models, model)
    wanted = before["all"] + runs * BRANCHES
    body = {"model": workflow, "messages": [{"role": "user", "content": PROMPT}]}
    headers = {"authorization": f"Bearer {server.key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one() -> None:
            async with session.post(f"{server.base_url}/chat/completions", json=body) as response:
                response.raise_for_status()
                await response.read()

        began = time.perf_counter()
        asked = [asyncio.create_task(one()) for _ in range(runs)]
        await _until(lambda: _seen(models, model)["all"] >= wanted)
        memory = await asyncio.to_thread(server.processes.memory_bytes)
        if not hang_up:
            await asyncio.gather(*asked)
            return time.perf_counter() - began, memory
        began = time.perf_counter()
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    await _until(lambda: _seen(models, model)["aborted"] >= wanted)
    return time.perf_counter() - began, memory


def _seen(models: Server, model: str) -> Counter[str]:
    """How many calls of a model the upstream has seen, by what became of them, and in all."""
    told = httpx.get(f"{models.base_url.removesuffix('/v1')}/tally", timeout=60).json()
    outcomes = Counter[str](told.get(model, {}))
    outcomes["all"] = outcomes.total()
    return outcomes


async def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(true):
        if time.monotonic() > until:
            raise TimeoutError("the upstream never saw all branches")
        await asyncio.sleep(POLL_S)
