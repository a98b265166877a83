"""The journal over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from actors.journal.store import Recorded, RunQuery
from serve_app.api import runs as api_runs
from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import KEY, ScriptedHost, ScriptedRecords, says, serving
from workflows.errors import JournalUnavailable
from workflows.events import Event, RunFinished, RunStarted, StepFinished, StepStarted, event_adapter
from workflows.messages import ChatRequest, Completion, Message, Usage
from workflows.replay import run_view, to_json

RUN = "run_1"


def begun(run_id: str = RUN) -> Event:
    return RunStarted(
        id=f"{run_id}.1",
        run_id=run_id,
        at=100.0,
        virtual_model="fusion-review",
        protocol="openai_chat",
        request=ChatRequest((Message.of("user", "Hello"),)),
    )


TURN = StepStarted(
    id="2", run_id=RUN, at=101.0, step_id="main.1", parent_id="main", step_kind="turn", name="main"
)
TURNED = StepFinished(
    id="3",
    run_id=RUN,
    at=102.0,
    step_id="main.1",
    completion=Completion(Message.of("assistant", "Grüße \ud83d"), "stop", Usage(3, 4)),
)
ENDED = RunFinished(
    id="4",
    run_id=RUN,
    at=103.0,
    finish_reason="stop",
    answer="Grüße",
    usage=Usage(3, 4),
    total_usage=Usage(3, 4),
    cost_usd=None,
    panel="skipped",
)
WHOLE = (begun(), TURN, TURNED, ENDED)


@asynccontextmanager
async def reading(records: ScriptedRecords) -> AsyncIterator[httpx.AsyncClient]:
    """A client on a real socket: streams are read while they are written."""
    app = web_app(ScriptedHost(says("Hi")), records, KEY, Limits(commit_after=0.01))
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url, headers={"x-api-key": KEY}, trust_env=False) as client,
    ):
        yield client


def frames(text: str) -> list[dict[str, str]]:
    """The events of an SSE body, without comments."""
    lines = (frame.splitlines() for frame in text.split("\n\n") if frame and not frame.startswith(":"))
    return [dict(line.split(": ", 1) for line in frame) for frame in lines]


def ids(text: str) -> list[str]:
    return [frame["id"] for frame in frames(text)]


async def test_runs_are_listed_as_the_query_says() -> None:
    records = ScriptedRecords(*WHOLE)
    async with reading(records) as client:
        response = await client.get("/api/runs", params={"status": "ok", "before": "run_9", "limit": 5})
    [line] = response.json()["runs"]
    assert (line["run_id"], line["status"], line["seconds"], line["cost_usd"]) == (RUN, "ok", 3.0, None)
    assert records.queries == [RunQuery(status="ok", before="run_9", limit=5)]


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("status", "great"), ("since", "today")])
async def test_a_wrong_query_names_the_parameter(name: str, value: str) -> None:
    async with reading(ScriptedRecords()) as client:
        response = await client.get("/api/runs", params={name: value})
    assert (response.status_code, response.json()["error"]["param"]) == (400, name)


async def test_a_run_is_shown_with_its_contents() -> None:
    async with reading(ScriptedRecords(*WHOLE)) as client:
        shown = (await client.get(f"/api/runs/{RUN}")).json()
    assert shown == {**to_json(run_view(WHOLE)), "trace_url": ""}
    assert shown["steps"][0]["output"] == "Grüße \ud83d"


@pytest.mark.parametrize("path", ["/api/runs/run_9", "/api/runs/run_9/events"])
async def test_an_unknown_run_is_a_404(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_runs, "PATIENCE_SECONDS", 0.01)
    async with reading(ScriptedRecords(*WHOLE)) as client:
        response = await client.get(path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "run_not_found")


async def test_a_finished_run_is_told_from_its_beginning_and_ends() -> None:
    async with reading(ScriptedRecords(begun("run_0"), *WHOLE)) as client:
        response = await client.get(f"/api/runs/{RUN}/events")
    told = [event_adapter.validate_python(json.loads(frame["data"])) for frame in frames(response.text)]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert tuple(told) == WHOLE
    assert ids(response.text) == ["2", "3", "4", "5"]


async def test_a_reader_that_comes_back_goes_on_where_it_was() -> None:
    async with reading(ScriptedRecords(*WHOLE)) as client:
        by_query = await client.get(f"/api/runs/{RUN}/events", params={"after": 2})
        by_header = await client.get(
            f"/api/runs/{RUN}/events", params={"after": 1}, headers={"last-event-id": "3"}
        )
        at_the_end = await client.get(f"/api/runs/{RUN}/events", params={"after": 4})
    assert ids(by_query.text) == ["3", "4"]
    assert ids(by_header.text) == ["4"]
    assert ids(at_the_end.text) == []


async def test_events_are_told_as_they_happen_until_the_run_ends() -> None:
    records = ScriptedRecords()
    told: list[dict[str, Any]] = []
    async with (
        reading(records) as client,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(records.add(begun()))
        async with client.stream("GET", f"/api/runs/{RUN}/events") as response:
            waiting: list[Event] = [TURN, TURNED, ENDED]
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    told.append(json.loads(line.removeprefix("data: ")))
                    if waiting:
                        await records.add(waiting.pop(0))
    assert [event["id"] for event in told] == ["run_1.1", "2", "3", "4"]


async def test_a_journal_that_fails_meanwhile_is_an_error_event() -> None:
    class Failing(ScriptedRecords):
        async def tail(self, run_id: str, after: int, within: float) -> tuple[Recorded, ...]:
            if after:
                raise JournalUnavailable("The journal cannot be read.")
            return await super().tail(run_id, after, within)

    async with reading(Failing(begun())) as client:
        response = await client.get(f"/api/runs/{RUN}/events")
    first, error = frames(response.text)
    assert first["id"] == "1"
    assert error["event"] == "error"
    assert json.loads(error["data"])["error"]["code"] == "journal_unavailable"
