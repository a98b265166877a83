"""A panel whose branches have a heavy tail: quorum and grace against waiting for all, in one run on real Ray.

Both virtual models draw their branches' latencies from the same Pareto distributions with the same seeds. The
figures are printed (``pytest -s tests/bench``); asserted is their ratio only.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Product

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

RUNS = 120
AT_ONCE = 24


def latencies(product: Product, model: str) -> list[float]:
    """Seconds of each of `RUNS` runs, sorted."""
    body = {"model": model, "messages": [{"role": "user", "content": "Review this plan"}]}
    with product.http() as http:

        def one(_: int) -> float:
            began = time.monotonic()
            http.post("/v1/chat/completions", json=body, timeout=120).raise_for_status()
            return time.monotonic() - began

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sorted(pool.map(one, range(RUNS)))


def percentile(values: Sequence[float], percent: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(percent * 10) - 1]


def test_quorum_and_grace_cut_the_tail(product: Product) -> None:
    waiting = latencies(product, "tail-wait-for-all")
    quorum = latencies(product, "tail-quorum")
    rows = [(p, percentile(waiting, p), percentile(quorum, p)) for p in (50, 95, 99)]
    print("\n          wait for all   2 of 3 + grace   ratio")  # noqa: T201  # the benchmark's table
    for percent, slow, fast in rows:
        print(f"p{percent:<6} {slow:10.2f} s {fast:14.2f} s {slow / fast:7.1f}")  # noqa: T201  # the same
    _, slow, fast = rows[-1]
    assert slow / fast > 2
