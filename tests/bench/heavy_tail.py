"""A panel whose branches have a heavy tail: waiting for all, quorum with grace, and hedging."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import httpx

from tests.bench.effort import Effort
from tests.bench.figures import Figure, percentile
from tests.bench.load import load
from tests.bench.scenes import fusion, rules, tail
from tests.bench.stand import product, upstream

AT_ONCE = 24
RUNS = 200
WAYS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "all": {"collect": {"quorum": 3, "timeout": "60s", "deadline": "90s"}},
        "quorum": {"collect": {"quorum": 2, "grace": "100ms", "timeout": "60s", "deadline": "90s"}},
        "hedged": {
            "collect": {"quorum": 3, "timeout": "60s", "deadline": "90s"},
            "hedge": {"after": "500ms", "max_share": 0.5},
        },
    }
)


def measure(effort: Effort) -> Iterator[Figure]:
    """p50, p95 and p99 of each way, and the model calls that it cost."""
    tails = [tail(f"{way}{seed}", seed) for way in WAYS for seed in range(3)]
    runs = effort.of(RUNS, AT_ONCE)
    with upstream([*tails, *rules(0.01)]) as models:
        workflows = [
            fusion(way, models.base_url, [f"{way}{seed}" for seed in range(3)], tool=tool)
            for way, tool in WAYS.items()
        ]
        with product(workflows) as server:
            p99 = {}
            for way in WAYS:
                load(server, way, 4, 4)
                before = _calls(models.base_url)
                seconds = load(server, way, runs, AT_ONCE).latencies
                calls = (_calls(models.base_url) - before) / runs
                p99[way] = percentile(seconds, 99)
                for percent in (50, 95, 99):
                    yield Figure(f"tail_p{percent}_s_{way}", percentile(seconds, percent), "s")
                yield Figure(f"tail_calls_{way}", calls, "calls per run")
    yield Figure("tail_p99_quorum_vs_all", p99["quorum"] / p99["all"], "x", "waiting for all")


def _calls(base_url: str) -> int:
    told = httpx.get(f"{base_url.removesuffix('/v1')}/tally", timeout=60).json()
    return sum(sum(outcomes.values()) for outcomes in told.values())
