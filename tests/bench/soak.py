"""Mixed load for as long as wanted, and whether memory, files, threads and tasks stay flat: `stellarator bench --soak 60`.

The load comes in cycles with a pause after each, in which everything that a request needed should be gone; what is
counted then makes a line, whose slope after the first third is the growth. Requests are chosen by a seed: panels,
streamed and not, a panel with a branch that fails, one with a heavy tail, one model alone, runs in the background, and
clients that hang up in the middle.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.effort import Effort
from tests.bench.figures import Figure, Note
from tests.bench.journal import INSIDE
from tests.bench.load import PROMPT, exchange
from tests.bench.scenes import fusion, pass_through, rules, tail
from tests.bench.stand import Server, product, upstream

CLIENTS = 8
CYCLE_S = 50.0
LEAST_CYCLES = 9
PAUSE_S = 4.0
SEED = 7
GROWING = ("memory", "files", "threads", "tasks")


@dataclass(frozen=True, slots=True)
class Census:
    """What the product has in a pause; `parts` is the memory of each part in bytes."""

    at: float
    memory: float
    files: float
    threads: float
    tasks: float
    parts: Mapping[str, float]


def measure(minutes: float, _effort: Effort) -> Iterator[Figure | Note]:
    """Counts at the end, and how much they grew after the first third of the cycles."""
    more = [tail("slow", 1, longest="4s"), {"match": {"model": "broken"}, "fail": {"status": 400}}]
    cycle_s = min(CYCLE_S, max(1.0, 60 * minutes / LEAST_CYCLES - PAUSE_S))
    outcomes, counted = Counter[str](), list[Census]()
    with tempfile.TemporaryDirectory(prefix="sb-") as folder, upstream([*more, *rules(0.05)]) as models:
        inside = {"PYTHONPATH": str(INSIDE), "STELLARATOR_BENCH_CENSUS": folder}
        with product(_workflows(models), inside) as server:
            chance, until = random.Random(SEED), time.monotonic() + 60 * minutes
            while time.monotonic() < until or len(counted) < LEAST_CYCLES:
                outcomes += asyncio.run(_cycle(server, cycle_s, chance))
                time.sleep(PAUSE_S)
                counted.append(_counted(server, Path(folder)))
                yield Note(_line(counted[-1], counted[0], outcomes))
    yield from _figures(counted, outcomes, minutes)


def _workflows(models: Server) -> Sequence[Mapping[str, Any]]:
    quorum = {"collect": {"quorum": 2, "grace": "50ms", "timeout": "30s", "deadline": "60s"}}
    return [
        fusion("panel", models.base_url),
        fusion("lame", models.base_url, ["draft", "draft", "broken"]),
        fusion("tail", models.base_url, ["draft", "draft", "slow"], tool=quorum),
        pass_through("echo", models.base_url),
    ]


async def _cycle(server: Server, seconds: float, chance: random.Random) -> Counter[str]:
    outcomes, until = Counter[str](), time.monotonic() + seconds
    headers = {"authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> None:
            while time.monotonic() < until:
                name = chance.choice(tuple(_WAYS))
                try:
                    await _WAYS[name](session, server)
                except (aiohttp.ClientError, TimeoutError) as error:
                    outcomes[f"{name}: {type(error).__name__}"] += 1
                else:
                    outcomes["good"] += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return outcomes


def _asking(
    model: str, *, stream: bool = False
) -> Callable[[aiohttp.ClientSession, Server], Awaitable[None]]:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}

    async def ask(session: aiohttp.ClientSession, server: Server) -> None:
        await exchange(session, f"{server.base_url}/chat/completions", body)

    return ask


async def _hang_up(session: aiohttp.ClientSession, server: Server) -> None:
    """In the middle of a panel."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.12):
            await _asking("panel", stream=True)(session, server)


async def _in_the_background(session: aiohttp.ClientSession, server: Server) -> None:
    """A run that outlives its request, asked for until it is over."""
    url = f"{server.base_url}/responses"
    body = {"model": "panel", "input": PROMPT, "background": True}
    async with session.post(url, json=body, raise_for_status=True) as response:
        told = await response.json()
    async with asyncio.timeout(60):
        while told["status"] in {"queued", "in_progress"}:
            await asyncio.sleep(0.1)
            async with session.get(f"{url}/{told['id']}", raise_for_status=True) as response:
                told = await response.json()
    if told["status"] != "completed":
        raise aiohttp.ClientError(f"the run in the background is {told['status']}")


_WAYS: Mapping[str, Callable[[aiohttp.ClientSession, Server], Awaitable[None]]] = {
    "panel": _asking("panel"),
    "streamed": _asking("panel", stream=True),
    "lame": _asking("lame"),
    "tail": _asking("tail"),
    "echo": _asking("echo"),
    "echo streamed": _asking("echo", stream=True),
    "hang up": _hang_up,
    "background": _in_the_background,
}


def _counted(server: Server, folder: Path) -> Census:
    for old in folder.glob("*.tasks"):
        old.unlink()
    (folder / "asked").touch()
    time.sleep(PAUSE_S / 2)  # every process looks twice a second
    parts, processes = server.processes.memory_by_part(), server.processes
    tasks = sum(int(told.read_text() or 0) for told in folder.glob("*.tasks"))
    return Census(time.monotonic(), sum(parts.values()), processes.files(), processes.threads(), tasks, parts)


def _line(now: Census, first: Census, outcomes: Counter[str]) -> str:
    failed = outcomes.total() - outcomes["good"]
    return (
        f"{(now.at - first.at) / 60:5.1f} min: {outcomes['good']} answered, {failed} failed; "
        f"{now.memory / 1e6:.0f} MB, {now.files:.0f} files, {now.threads:.0f} threads, {now.tasks:.0f} tasks"
    )


def _figures(counted: Sequence[Census], outcomes: Counter[str], minutes: float) -> Iterator[Figure | Note]:
    settled = counted[len(counted) // 3 :]
    over = f"from first third to end of {minutes:g} min"
    yield Figure("soak_answered", outcomes["good"], "requests", f"in {minutes:g} min")
    yield Figure("soak_failed", outcomes.total() - outcomes["good"], "requests")
    for kind, count in outcomes.items():
        if kind != "good":
            yield Note(f"{count} failed so: {kind}")
    for name in GROWING:
        values = [getattr(census, name) for census in settled]
        unit, size = ("MB", 1e6) if name == "memory" else (name, 1.0)
        yield Figure(f"soak_{name}", statistics.median(values) / size, unit, "in the pauses, median")
        grown = _slope(settled, values) * (settled[-1].at - settled[0].at) / (statistics.median(values) or 1)
        yield Figure(f"soak_{name}_growth", grown, "share", over)
    for part in sorted(settled[-1].parts):
        values = [census.parts.get(part, 0.0) for census in settled]
        yield Figure(f"soak_mb_per_h_{part}", _slope(settled, values) * 3600 / 1e6, "MB/h", "growth")


def _slope(counted: Sequence[Census], values: Sequence[float]) -> float:
    return statistics.linear_regression([census.at for census in counted], values).slope
