"""What a fusion run adds to its critical path, and its CPU against plain asyncio doing the same calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.effort import Effort
from tests.bench.figures import Figure, over, percentile
from tests.bench.load import load
from tests.bench.scenes import CRITICAL_PATH_S, fusion, rules
from tests.bench.stand import Server, product, upstream

AT_ONCE = (1, 4, 16, 64)


def measure(effort: Effort) -> Iterator[Figure]:
    """Added milliseconds at each concurrency, streamed and not; CPU per run at the highest."""
    with upstream(rules()) as models, product([fusion("panel", models.base_url)]) as server:
        load(server, "panel", 64, 16)
        for at_once in AT_ONCE:
            yield from _added(server, models, at_once, effort)
        yield from _cpu(server, models, effort)


def _added(server: Server, models: Server, at_once: int, effort: Effort) -> Iterator[Figure]:
    count = max(effort.least, 12 * at_once)
    rounds = [load(server, "panel", count, at_once) for _ in range(effort.rounds)]
    streamed = load(server, "panel", count, at_once, stream=True)
    bound = _lower_bound(models, count, at_once).seconds
    for percent in (50, 99):
        ours = [_added_ms(round_.latencies, percent) for round_ in rounds]
        against = f"asyncio {_added_ms(bound, percent):.1f} ms"
        yield over(f"fusion_added_ms_p{percent}_c{at_once}", ours, "ms", against)
    text = [sample.first_text for sample in streamed.samples]
    yield Figure(f"fusion_first_text_added_ms_p50_c{at_once}", _added_ms(text, 50), "ms", "streamed")


def _cpu(server: Server, models: Server, effort: Effort) -> Iterator[Figure]:
    """CPU of one run, in interleaved rounds at 16 at once."""
    count, ratios, ours_ms = max(effort.least, 192), list[float](), list[float]()
    for _ in range(effort.rounds):
        before = server.processes.cpu_s()
        load(server, "panel", count, 16)
        ours = (server.processes.cpu_s() - before) / count
        bound = _lower_bound(models, count, 16).cpu_s / count
        ours_ms.append(1000 * ours)
        ratios.append(ours / bound)
    yield over("fusion_cpu_ms", ours_ms, "ms CPU", f"asyncio {ours_ms[-1] / ratios[-1]:.1f} ms")
    yield over("fusion_cpu_vs_lower_bound", ratios, "x", "asyncio + httpx")


@dataclass(frozen=True, slots=True)
class _Bound:
    """What plain asyncio took: seconds of each run, and CPU seconds of all."""

    seconds: list[float]
    cpu_s: float


def _lower_bound(models: Server, count: int, at_once: int) -> _Bound:
    command = [sys.executable, "-m", "tests.bench.lower_bound", "--upstream", models.base_url]
    command += ["--count", str(count), "--at-once", str(at_once)]
    told = subprocess.run(command, check=True, capture_output=True).stdout
    return _Bound(**json.loads(told))


def _added_ms(seconds: list[float], percent: float) -> float:
    return 1000 * (percentile(seconds, percent) - CRITICAL_PATH_S)
