"""The head node dies with everything on it, and a new one takes its place: opt-in, because it needs a Redis.

STELLARATOR_TEST_REDIS=/usr/bin/redis-server pytest tests/chaos/test_head.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.models.scripted.server import RunningUpstream, running
from tests.chaos.head import HeadAndWorker, head_and_worker, kill, redis_server, workers
from tests.chaos.stage import ANSWER, BRANCHES, rules
from tests.integration.panels import panel
from workflows.loading import dump

PROGRAM = redis_server()

pytestmark = [
    pytest.mark.ray,
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not PROGRAM or sys.platform != "linux",
        reason="needs Linux and a redis-server: on the path, or named by STELLARATOR_TEST_REDIS",
    ),
]
OURS = ("JournalActor", "Coordinator", "Keeper", "Supervisor", "Credits", "Publisher", "Lane")
"""What runs stand on, by class."""
ALONE = {"x-stellarator-fusion": "never"}
BACKGROUND, FOREGROUND = "plan in the background", "plan in the foreground"


def test_runs_and_requests_survive_the_head_node_and_nothing_is_paid_twice() -> None:
    slow = {"match": {"model": BRANCHES[-1]}, "answer": "It took long.", "delay": 15.0}
    with (
        tempfile.TemporaryDirectory(prefix="st-") as folder,
        running([slow, *rules()]) as upstream,
        head_and_worker(Path(folder), PROGRAM or "") as cluster,
        ThreadPoolExecutor() as pool,
    ):
        head, worker = _started(cluster, upstream)
        with closing(cluster.client_at(worker)) as client, closing(cluster.client_at(worker)) as other:
            told = other.post("/v1/responses", json=_asked(BACKGROUND) | {"background": True}).json()
            foreground = pool.submit(client.post, "/v1/responses", json=_asked(FOREGROUND))
            cluster.until(lambda: _calls(upstream)[BRANCHES[-1]] == len((BACKGROUND, FOREGROUND)))
            cluster.until(lambda: _answered(upstream, *BRANCHES[:2]) == 4)
            kept = workers(worker, *OURS)
            assert {*kept.values()} == {*OURS}
            assert workers(head, *OURS) == {}
            kill(head)
            during = other.post("/v1/responses", json=_asked("while it is away"), headers=ALONE)
            head = cluster.start_head()
            assert ANSWER in foreground.result().text
            cluster.until(lambda: _status(other, told["id"]) == "completed")
        assert during.status_code == httpx.codes.OK
        # Two turns of the main LLM for either run, and one for the request that went without a panel.
        assert _calls(upstream) == {"main": 5, "judge": 2, **dict.fromkeys(BRANCHES, 2)}
        with closing(cluster.client_at(head)) as client:
            assert ANSWER in client.post("/v1/responses", json=_asked("plan afterwards")).text
        assert workers(worker, *OURS) == kept


def _started(
    cluster: HeadAndWorker, upstream: RunningUpstream
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    workflow = cluster.folder / "survivor.yaml"
    collect = {"quorum": 3, "timeout": "60s", "deadline": "90s"}
    workflow.write_text(dump(panel("survivor", upstream.base_url, BRANCHES, collect=collect)))
    head = cluster.start_head()
    worker = cluster.start_worker()
    cluster.deploy(workflow)
    return head, worker


def _asked(text: str) -> dict[str, Any]:
    return {"model": "survivor", "input": f"Review the {text}."}


def _status(client: httpx.Client, response_id: str) -> str:
    return str(client.get(f"/v1/responses/{response_id}").json()["status"])


def _calls(upstream: RunningUpstream) -> Counter[str]:
    return Counter(call.model for call in upstream.seen)


def _answered(upstream: RunningUpstream, *models: str) -> int:
    return sum(call.outcome == "answered" and call.model in models for call in upstream.seen)
