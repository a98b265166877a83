"""From nothing to the first answer, and how long one more virtual model takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.effort import Effort
from tests.bench.figures import Figure, over
from tests.bench.load import load
from tests.bench.scenes import fusion, rules
from tests.bench.stand import product, upstream

IDLE_S = 10.0


def measure(effort: Effort) -> Iterator[Figure]:
    """Seconds of `up` until a panel's answer is there; then what an idle server uses."""
    firsts = []
    with upstream(rules(0.01)) as models:
        for _ in range(min(3, effort.rounds)):
            began = time.perf_counter()
            with product([fusion("panel", models.base_url)]) as server:
                load(server, "panel", 1, 1)
                firsts.append(time.perf_counter() - began)
                time.sleep(IDLE_S * effort.scale)
                cpu, since = server.processes.cpu_s(), time.perf_counter()
                time.sleep(IDLE_S * effort.scale)
                share = (server.processes.cpu_s() - cpu) / (time.perf_counter() - since)
                memory = server.processes.memory_bytes()
    yield over("up_to_first_answer_s", firsts, "s")
    yield Figure("idle_cpu_share", share, "cores")
    yield Figure("idle_memory_gb", memory / 1e9, "GB")
