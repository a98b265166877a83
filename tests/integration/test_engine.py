"""The engine under load: lanes that come and go with it, and several coordinators."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest

from actors.runs.panels import shard
from tests.bench.load import PROMPT
from tests.bench.scenes import fusion, rules
from tests.bench.stand import Server, product, upstream
from tests.integration.test_panels import eventually

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

BRANCHES = 10
PATIENT = {"collect": {"quorum": BRANCHES, "timeout": "600s", "deadline": "700s"}}
SIZES = {
    "STELLARATOR_COORDINATORS": "2",
    "STELLARATOR_LANES": "2-3",
    "STELLARATOR_LANE_CALLS": "10-200",
}
"""A third lane once two have more than ten calls each."""


@dataclass(frozen=True)
class Engine:
    """The product, and the upstream that holds its branches until they are released."""

    server: Server
    models: Server
    pool: ThreadPoolExecutor

    def ask(self, model: str) -> httpx.Response:
        return httpx.post(
            f"{self.server.base_url}/chat/completions",
            headers={"authorization": f"Bearer {self.server.key}"},
            json={"model": model, "messages": [{"role": "user", "content": PROMPT}]},
            timeout=300,
        )

    def waiting(self) -> int:
        """How many branches the upstream holds."""
        counts = httpx.get(f"{self.models.base_url.removesuffix('/v1')}/tally").json()
        return int(counts.get("held", {}).get("open", 0))

    def release(self) -> None:
        httpx.post(f"{self.models.base_url.removesuffix('/v1')}/release/held").raise_for_status()

    def processes(self, title: str) -> list[psutil.Process]:
        return self.server.processes.titled(f"ray::{title}")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with upstream(rules()) as models, ThreadPoolExecutor(16) as pool:
        workflows = [
            fusion("sleepers", models.base_url, ["held"] * BRANCHES, tool=PATIENT),
            fusion("plain", models.base_url),
        ]
        with product(workflows, SIZES) as server:
            yield Engine(server, models, pool)


def fill(engine: Engine, panels: int) -> list[Future[Any]]:
    """Ask so often, and return when every branch is under way."""
    asked = []
    for _ in range(panels):
        before = engine.waiting()
        asked.append(engine.pool.submit(engine.ask, "sleepers"))
        eventually(lambda before=before: engine.waiting() == before + BRANCHES, 60)
    return asked


def test_lanes_grow_under_load_and_shrink_again(engine: Engine) -> None:
    eventually(lambda: len(engine.processes("Lane")) == 2, 120)  # a slow start may have taken a third
    asked = fill(engine, 3)
    eventually(lambda: len(engine.processes("Lane")) == 3, 60)
    engine.release()
    assert [each.result(120).status_code for each in asked] == [200] * 3
    eventually(lambda: len(engine.processes("Lane")) == 2, 120)
    assert engine.ask("plain").status_code == 200


def test_runs_are_shared_out_over_all_coordinators(engine: Engine) -> None:
    assert len(engine.processes("Coordinator")) == 2
    answers = list(engine.pool.map(engine.ask, ["plain"] * 24))
    assert [answer.status_code for answer in answers] == [200] * 24
    assert {shard(answer.headers["x-stellarator-run-id"], 2) for answer in answers} == {0, 1}
