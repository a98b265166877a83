"""From nothing to the first answer, how long one more virtual model takes, and what an idle server uses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx

from tests.bench.effort import Effort
from tests.bench.figures import Figure, over
from tests.bench.load import load
from tests.bench.scenes import fusion, rules
from tests.bench.stand import Server, product, upstream

ROUNDS = 3
IDLE_S = 10.0
PATIENCE_S = 120.0
PUBLISHED = {"publish_shared_s": "shared", "publish_one_more_s": "dedicated"}


def measure(effort: Effort) -> Iterator[Figure]:
    """Seconds of `up` until a panel's answer is there; then the rest on the last of the servers."""
    rounds, firsts = min(ROUNDS, effort.rounds), []
    with upstream(rules(0.01)) as models:
        for number in range(1, rounds + 1):
            began = time.perf_counter()
            with product([fusion("panel", models.base_url)]) as server:
                load(server, "panel", 1, 1)
                firsts.append(time.perf_counter() - began)
                if number == rounds:
                    yield over("up_to_first_answer_s", firsts, "s", "`up` with one panel")
                    yield from _idle(server, IDLE_S * effort.scale)
                    yield from _published(server, models, rounds)


def _idle(server: Server, seconds: float) -> Iterator[Figure]:
    time.sleep(seconds)
    cpu, since = server.processes.cpu_s(), time.perf_counter()
    time.sleep(seconds)
    share = (server.processes.cpu_s() - cpu) / (time.perf_counter() - since)
    yield Figure("idle_cpu_share", share, "cores")
    memory = server.processes.memory_by_part()
    yield Figure("idle_memory_gb", sum(memory.values()) / 1e9, "GB", "all processes")


def _published(server: Server, models: Server, rounds: int) -> Iterator[Figure]:
    """Seconds from the wish to publish, without probes, until the new model has answered."""
    for figure, deployment in PUBLISHED.items():
        took, before = [], server.processes.memory_bytes()
        for number in range(rounds):
            spec = fusion(f"{deployment}-{number}", models.base_url, deployment=deployment)
            began = time.perf_counter()
            _publish(server, json.dumps(spec))
            load(server, spec["name"], 1, 1)
            took.append(time.perf_counter() - began)
        yield over(figure, took, "s", f"{deployment}, until it has answered")
        memory = (server.processes.memory_bytes() - before) / rounds / 1e6
        yield Figure(f"publish_{deployment}_mb", memory, "MB", "each")


def _publish(server: Server, workflow: str) -> None:
    address = f"{server.base_url.removesuffix('/v1')}/api/publications"
    headers = {"authorization": f"Bearer {server.key}"}
    body = {"workflow": workflow, "probe": False}
    httpx.post(address, json=body, headers=headers, timeout=PATIENCE_S).raise_for_status()
