"""The journal as the actor that Ray will run, without Ray."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator

import pytest

from actors.journal.actor import JournalActor
from actors.journal.store import RunQuery
from tests.actors.journal.databases import everything_stored
from tests.workflows.stories import fusion_run
from workflows.redaction import redacted
from workflows.replay import run_view, summary_of


@pytest.fixture
async def actor(url: str) -> AsyncIterator[JournalActor]:
    actor = JournalActor(url, capture_content=True)
    yield actor
    await actor.close()


async def test_it_stores_and_finds_a_run(actor: JournalActor) -> None:
    await actor.append(fusion_run(), durable=False)
    await actor.flush()
    recorded = await actor.events("run_1")
    assert run_view(r.event for r in recorded) == run_view(fusion_run())
    assert await actor.runs(RunQuery()) == (summary_of(fusion_run()),)
    assert await actor.summary("run_1") == summary_of(fusion_run())
    assert await actor.tail("run_1", recorded[-2].seq, 0.0) == recorded[-1:]


async def test_everything_that_crosses_survives_pickle(actor: JournalActor) -> None:
    await actor.append(pickle.loads(pickle.dumps(fusion_run())))
    for value in (
        await actor.events("run_1"),
        await actor.runs(RunQuery(status="ok")),
        await actor.health(),
        RunQuery(limit=3),
    ):
        assert pickle.loads(pickle.dumps(value)) == value


async def test_without_capture_nothing_that_was_said_reaches_the_database(url: str) -> None:
    actor = JournalActor(url, capture_content=False)
    await actor.append(fusion_run(text="the patient's name"))
    recorded = await actor.events("run_1")
    assert [r.event for r in recorded] == [redacted(event) for event in fusion_run()]
    assert await actor.summary("run_1") == summary_of(fusion_run())
    await actor.close()
    assert "patient" not in everything_stored(url)
