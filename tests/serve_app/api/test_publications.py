"""``/api/publications`` over a publisher that remembers in memory what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from actors.offers import Key, Published
from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import KEY, ScriptedHost, ScriptedRecords, says
from tests.workflows.publishing import pass_through
from workflows.errors import ProbeFailed
from workflows.loading import dump
from workflows.publications import Activation, Cause, History, Publication


class Memory:
    """A `Publishing` without models and processes."""

    def __init__(self) -> None:
        self.known: dict[str, History] = {}
        self.probed: list[bool] = []
        self.refused = False

    async def histories(self, name: str | None = None) -> tuple[History, ...]:
        return tuple(history for key, history in self.known.items() if name in (None, key))

    async def draining(self) -> tuple[Key, ...]:
        return (("helper", 1),)

    async def publish(self, draft: Publication, *, probe: bool) -> Published:
        self.probed.append(probe)
        if self.refused:
            raise ProbeFailed(draft.virtual_model, ("`main` (m): wrong key.",))
        history = self.known.get(draft.virtual_model, History(draft.virtual_model))
        version = replace(draft, number=len(history.publications) + 1)
        self.known[draft.virtual_model] = replace(history, publications=(*history.publications, version))
        self._activate(draft.virtual_model, version.number, "publish")
        return Published(version, changed=True)

    async def rollback(self, name: str, number: int | None, who: str) -> Published:
        history = self.known.get(name, History(name))
        to = history.before() if number is None else history.version(number)
        self._activate(name, to.number, "rollback", who)
        return Published(to, changed=True)

    async def unpublish(self, name: str, who: str) -> bool:  # noqa: ARG002  # the protocol has it
        return self.known.pop(name, None) is not None

    def _activate(self, name: str, number: int, cause: Cause, who: str = "ada") -> None:
        history = self.known[name]
        now = Activation(virtual_model=name, number=number, at=5.0, who=who, cause=cause)
        self.known[name] = replace(history, activations=(*history.activations, now))


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
async def http(memory: Memory) -> AsyncIterator[httpx.AsyncClient]:
    app = web_app(ScriptedHost(says("Hi")), ScriptedRecords(), KEY, Limits(), publishing=memory)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers={"x-api-key": KEY}
    ) as client:
        yield client


def body(model: str, **more: Any) -> dict[str, Any]:
    return {"workflow": dump(pass_through("helper", model)), "who": "ada", **more}


async def test_publishing_answers_with_the_version_and_probes_unless_told_not_to(
    memory: Memory, http: httpx.AsyncClient
) -> None:
    told = (await http.post("/api/publications", json=body("one"))).json()
    assert (told["virtual_model"], told["number"], told["changed"]) == ("helper", 1, True)
    await http.post("/api/publications", json=body("two", probe=False))
    assert memory.probed == [True, False]


async def test_a_workflow_with_errors_is_refused_with_all_of_them(
    memory: Memory, http: httpx.AsyncClient
) -> None:
    text = "version: 1\nname: helper\nmodels: {main: {model: m, headers: {authorization: Bearer hush-hush-hush}}, idle: {model: m}}\nmain: {model: main}\n"
    refused = await http.post("/api/publications", json={"workflow": text})
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["code"] == "workflow_invalid"
    assert "secret-literal" in error["message"]
    assert "unused-model" in error["message"]
    assert "hush" not in refused.text
    assert memory.known == {}


async def test_a_failed_probe_and_an_unknown_field_are_the_callers_to_mend(
    memory: Memory, http: httpx.AsyncClient
) -> None:
    memory.refused = True
    failed = await http.post("/api/publications", json=body("one"))
    assert (failed.status_code, failed.json()["error"]["code"]) == (400, "probe_failed")
    unknown = await http.post("/api/publications", json=body("one", porbe=False))
    assert unknown.status_code == 400
    assert "porbe" in unknown.text


async def test_history_versions_and_differences_are_told(http: httpx.AsyncClient) -> None:
    for model in ("one", "two"):
        await http.post("/api/publications", json=body(model, note=f"takes {model}"))
    shown = (await http.get("/api/publications/helper")).json()
    assert [(v["number"], v["state"], v["note"]) for v in shown["versions"]] == [
        (2, "active", "takes two"),
        (1, "draining", "takes one"),
    ]
    assert (await http.get("/api/publications")).json() == {"publications": [shown]}
    first = (await http.get("/api/publications/helper/versions/1")).json()
    assert first["workflow"] == dump(pass_through("helper", "one"))
    changes = (await http.get("/api/publications/helper/diff", params={"before": 1, "after": 2})).json()[
        "changes"
    ]
    assert changes == [{"where": "models.main.model", "kind": "changed", "before": "one", "after": "two"}]


async def test_a_rollback_needs_no_body_and_says_where_it_went(http: httpx.AsyncClient) -> None:
    for model in ("one", "two"):
        await http.post("/api/publications", json=body(model))
    assert (await http.post("/api/publications/helper/rollback")).json()["number"] == 1
    assert (await http.post("/api/publications/helper/rollback", json={"to": 2})).json()["number"] == 2
    missing = await http.post("/api/publications/helper/rollback", json={"to": 9})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "publication_not_found")


async def test_unpublishing_what_is_not_there_is_a_404(http: httpx.AsyncClient) -> None:
    await http.post("/api/publications", json=body("one"))
    assert (await http.delete("/api/publications/helper")).status_code == 200
    assert (await http.delete("/api/publications/helper")).status_code == 404
    assert (await http.get("/api/publications/helper")).status_code == 404


async def test_it_needs_the_key(memory: Memory) -> None:
    app = web_app(ScriptedHost(says("Hi")), ScriptedRecords(), KEY, Limits(), publishing=memory)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as stranger:
        assert (await stranger.post("/api/publications", json=body("one"))).status_code == 401
    assert memory.known == {}
