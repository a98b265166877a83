"""What a fusion run adds to its critical path, where, and its CPU against plain asyncio doing the same calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench import budget
from tests.bench.effort import Effort
from tests.bench.figures import Figure, over, percentile
from tests.bench.load import load
from tests.bench.scenes import CRITICAL_PATH_S, fusion, rules
from tests.bench.stand import Server, product, upstream

RUNS = {1: 16, 4: 48, 16: 160, 64: 192}
"""How many runs a measurement makes, by how many are under way at once."""

ROUNDS = 3


def measure(effort: Effort) -> Iterator[Figure]:
    """Added milliseconds at each concurrency, streamed and not; CPU per run at 16; where both go."""
    with upstream(rules()) as models, product([fusion("panel", models.base_url)]) as server:
        load(server, "panel", effort.of(64, 4), 16)
        for at_once in RUNS:
            yield from _added(server, models, at_once, effort)
        yield from budget.measure(server, models, "panel", effort)
        yield from _cpu(server, models, effort)


def _added(server: Server, models: Server, at_once: int, effort: Effort) -> Iterator[Figure]:
    count = effort.of(RUNS[at_once], 4)
    at_once_now = min(at_once, count)
    rounds = [load(server, "panel", count, at_once_now).latencies for _ in range(min(ROUNDS, effort.rounds))]
    streamed = load(server, "panel", count, at_once_now, stream=True)
    bound = _lower_bound(models, count, at_once_now).seconds
    for percent in (50, 99):
        ours = [_added_ms(seconds, percent) for seconds in rounds]
        against = f"asyncio {_added_ms(bound, percent):.1f} ms"
        yield over(f"fusion_added_ms_p{percent}_c{at_once}", ours, "ms", against)
    for title, seconds in (
        ("first_text", [sample.first_text for sample in streamed.samples]),
        ("streamed", streamed.latencies),
    ):
        yield Figure(f"fusion_{title}_added_ms_p50_c{at_once}", _added_ms(seconds, 50), "ms", "streamed")


def _cpu(server: Server, models: Server, effort: Effort) -> Iterator[Figure]:
    """CPU of one run, in interleaved rounds at 16 at once."""
    count, ratios, ours_ms = effort.of(96, 8), list[float](), list[float]()
    parts = defaultdict[str, float](float)
    for _ in range(effort.rounds):
        before = server.processes.cpu_by_part()
        load(server, "panel", count, min(16, count))
        used = {part: now - before.get(part, 0.0) for part, now in server.processes.cpu_by_part().items()}
        for part, seconds in used.items():
            parts[part] += seconds
        bound = _lower_bound(models, count, min(16, count)).cpu_s
        ours_ms.append(1000 * sum(used.values()) / count)
        ratios.append(sum(used.values()) / bound)
    yield over("fusion_cpu_ms", ours_ms, "ms CPU", f"asyncio {ours_ms[-1] / ratios[-1]:.1f} ms")
    yield over("fusion_cpu_vs_lower_bound", ratios, "x", "asyncio + httpx")
    for part, seconds in sorted(parts.items()):
        yield Figure(f"fusion_cpu_ms_{part}", 1000 * seconds / count / effort.rounds, "ms CPU", "of a run")


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
