"""Publishing on the running product, under load: no failed request, no cut stream, nothing left over.

`STELLARATOR_TEST_VERSIONS=20` makes it the long form.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from ray import serve

from tests.conftest import Product
from tests.integration import versions
from tests.integration.panels import panel
from tests.integration.test_faults import processes
from tests.integration.test_panels import eventually
from tests.integration.versions import SLOWLY, version
from workflows.loading import dump
from workflows.spec import WorkflowSpec

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

VERSIONS = min(int(os.environ.get("STELLARATOR_TEST_VERSIONS", "3")), versions.MOST - 2)
DEDICATED = {"mode": "dedicated"}


def publish(product: Product, spec: WorkflowSpec, *, probe: bool = False) -> dict[str, Any]:
    with product.http() as http:
        answer = http.post("/api/publications", json={"workflow": dump(spec), "probe": probe}, timeout=200)
        told: dict[str, Any] = answer.raise_for_status().json()
        return told


def ask(product: Product, model: str, prompt: str = "Which version are you?") -> str:
    """The version that answers; a stream that names two of them, or was cut, is none."""
    with product.http() as http:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt}]}
        response = http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]", response.text[-500:]
    chunks = [json.loads(each)["choices"] for each in data[:-1]]
    words = {
        word for choices in chunks for c in choices for word in (c["delta"].get("content") or "").split()
    }
    assert len(words) == 1, words
    return words.pop()


@dataclass
class Load:
    """Clients that ask one model again and again, and what they got: (active when they asked, answered)."""

    product: Product
    model: str
    active: int = 0
    answers: list[tuple[int, int]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Ask for as long as the block lasts; what goes wrong in a client is raised at its end."""
        with ThreadPoolExecutor(3) as pool:
            clients: list[Future[None]] = [
                pool.submit(self._ask, prompt) for prompt in ("quickly", "quickly", SLOWLY)
            ]
            try:
                yield
            finally:
                self.over.set()
            for client in clients:
                client.result()

    def _ask(self, prompt: str) -> None:
        while not self.over.is_set():
            active = self.active
            self.answers.append((active, int(ask(self.product, self.model, prompt)[1:])))


def states(http: httpx.Client, name: str) -> list[str]:
    """Of its versions, newest first."""
    return [version["state"] for version in http.get(f"/api/publications/{name}").json()["versions"]]


def running_apps() -> set[str]:
    return {name for name in serve.status().applications if name.startswith("versioned-")}


@pytest.mark.parametrize("kind", ["shared", "dedicated"])
def test_versions_in_a_row_under_load_fail_no_request_and_leave_nothing(product: Product, kind: str) -> None:
    name, deployment = f"versioned-{kind}", {"mode": kind}
    publish(product, version(name, 0, product.upstream.base_url, **deployment))
    load = Load(product, name)
    with load.on():
        for number in range(1, VERSIONS + 1):
            told = publish(product, version(name, number, product.upstream.base_url, **deployment))
            assert (told["number"], told["changed"]) == (number + 1, True)
            load.active = number
    assert load.answers
    assert [pair for pair in load.answers if pair[1] < pair[0]] == []
    assert ask(product, name) == f"v{VERSIONS}"
    expected = {f"{name}@{VERSIONS + 1}"} if kind == "dedicated" else set()
    eventually(lambda: running_apps() == expected, 60)
    with product.http() as http:
        eventually(lambda: states(http, name) == ["active"] + ["retired"] * VERSIONS)
        assert http.delete(f"/api/publications/{name}").status_code == 200
        assert http.post("/v1/chat/completions", json={"model": name, "messages": []}).status_code in {
            400,
            404,
        }
    eventually(lambda: running_apps() == set(), 60)


def test_a_run_ends_on_the_version_that_it_began_with(product: Product) -> None:
    """A dedicated version answers until it is drained, and says so; its successor answers meanwhile."""
    name = "versioned-draining"
    publish(product, version(name, 1, product.upstream.base_url, **DEDICATED))
    with ThreadPoolExecutor(1) as pool, product.http() as http:
        already = len(product.upstream.seen)
        slow = pool.submit(ask, product, name, SLOWLY)
        eventually(lambda: len(product.upstream.seen) > already)
        shared = version(name, 2, product.upstream.base_url)
        publish(product, shared)
        assert ask(product, name) == "v2"
        assert states(http, name) == ["active", "draining"]
        assert slow.result() == "v1"
        eventually(lambda: running_apps() == set(), 60)
        listed = {model["id"]: model["stellarator"] for model in http.get("/v1/models").json()["data"]}
        assert listed[name]["version"] == 2
        assert http.get(f"/api/models/{name}").json()["version"] == 2
        newest = http.get("/api/runs", params={"virtual_model": name, "limit": 2}).json()["runs"]
        shown = [http.get(f"/api/runs/{run['run_id']}").json()["workflow_version"] for run in newest]
        assert sorted(shown) == [1, 2]
        http.delete(f"/api/publications/{name}")


def test_a_dedicated_model_with_a_full_queue_answers_429_and_says_when_to_come_back(product: Product) -> None:
    name = "versioned-narrow"
    narrow = {"max_ongoing_requests": 1, "max_queued_requests": 1}
    publish(product, version(name, 1, product.upstream.base_url, **DEDICATED, **narrow))
    body = {"model": name, "messages": [{"role": "user", "content": SLOWLY}]}
    with product.http() as http, ThreadPoolExecutor(8) as pool:

        def post() -> httpx.Response:
            return http.post("/v1/chat/completions", json=body)

        answers = [client.result() for client in [pool.submit(post) for _ in range(8)]]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert {answer.status_code for answer in answers} == {200, 429}, [answer.text for answer in answers]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert {answer.json()["error"]["code"] for answer in refused} == {"overloaded"}
        http.delete(f"/api/publications/{name}")


def test_what_fails_its_probe_is_not_published_and_every_model_at_fault_is_named(product: Product) -> None:
    spec = panel("versioned-doubtful", product.upstream.base_url, ("refused", "fast", "broken"))
    with product.http() as http:
        answer = http.post("/api/publications", json={"workflow": dump(spec)})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "probe_failed"
        assert "`broken`" in error["message"]
        assert "`refused`" in error["message"]
        assert "sk-secret" not in error["message"]
        assert http.get("/api/publications/versioned-doubtful").status_code == 404
    sound = publish(
        product, panel("versioned-sound", product.upstream.base_url, ("fast", "slow")), probe=True
    )
    probes = {(probe["alias"], probe["demand"]): probe["ok"] for probe in sound["probes"]}
    assert probes == {
        ("main", "tool"): True,
        ("judge", "json"): True,
        ("fast", "answer"): True,
        ("slow", "answer"): True,
    }
    with product.http() as http:
        http.delete("/api/publications/versioned-sound")


def test_a_killed_publisher_is_not_missed_and_finds_its_applications_again(product: Product) -> None:
    name = "versioned-orphan"
    publish(product, version(name, 1, product.upstream.base_url, **DEDICATED))
    (publisher,) = processes(product, "Publisher")
    publisher.send_signal(signal.SIGKILL)
    assert ask(product, name) == "v1"
    second = {"workflow": dump(version(name, 2, product.upstream.base_url, **DEDICATED)), "probe": False}
    with product.http() as http:
        eventually(lambda: http.post("/api/publications", json=second, timeout=200).status_code == 200, 60)
        assert ask(product, name) == "v2"
        eventually(lambda: running_apps() == {f"{name}@2"}, 60)
        http.delete(f"/api/publications/{name}")
    eventually(lambda: running_apps() == set(), 60)
