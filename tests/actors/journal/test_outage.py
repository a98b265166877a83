"""A database that goes away under a product that goes on: nothing is lost, nothing is doubled, nobody is stuck.

The journal as every process sees it, without Ray between: calls of the actor are plain calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors.journal.actor import JournalActor
from actors.journal.sql import open_store
from actors.journal.writer import Bounds, JournalWriter
from actors.runs import journal as remote
from actors.runs.journal import RemoteJournal
from tests.postgres import Postgres, running_postgres
from tests.workflows.stories import dripping
from workflows.errors import JournalUnavailable
from workflows.events import Event

MANY = 300


class Near:
    """The actor as its handle shows it, in this process."""

    def __init__(self, actor: JournalActor) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._actor, name)

        class Call:
            remote = staticmethod(method)

        return Call


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@asynccontextmanager
async def journal_at(url: str) -> AsyncIterator[RemoteJournal]:
    actor = JournalActor(url, capture_content=True)
    try:
        yield RemoteJournal(Near(actor))
    finally:
        await actor.close()


def stored(url: str) -> list[Event]:
    store = open_store(url, read_only=True)
    found = [recorded.event for recorded in store.events("run")]
    store.close()
    return found


async def ticking(ticks: list[float]) -> None:
    """Notes each turn that the event loop gives it."""
    while True:
        await asyncio.sleep(0.02)
        ticks.append(asyncio.get_running_loop().time())


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_while_the_database_is_away_callers_wait_and_then_everything_is_there(
    own: Postgres, way: str
) -> None:
    url = own.new_database()
    ticks: list[float] = []
    async with journal_at(url) as journal:
        await journal.append([dripping("run", 0)])
        ticker = asyncio.create_task(ticking(ticks))
        own.kill() if way == "killed" else own.pause()
        said = [asyncio.create_task(journal.append([dripping("run", n)])) for n in range(1, MANY)]
        await asyncio.sleep(1.5)
        assert not any(task.done() for task in said)
        assert len(ticks) > 10
        await asyncio.to_thread(own.start if way == "killed" else own.go_on)
        await asyncio.gather(*said)
        ticker.cancel()
    assert stored(url) == [dripping("run", n) for n in range(MANY)]


async def test_who_waits_too_long_hears_of_it_and_what_it_said_is_stored_all_the_same(
    own: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own.new_database()
    async with journal_at(url) as journal:
        await journal.append([dripping("run", 0)])
        monkeypatch.setattr(remote, "WAIT_SECONDS", 0.5)
        own.kill()
        with pytest.raises(JournalUnavailable, match="database"):
            await journal.append([dripping("run", 1)])
        with pytest.raises(JournalUnavailable):
            await journal.events("run")
        journal.append_soon([dripping("run", 2)])
        await asyncio.to_thread(own.start)
        monkeypatch.undo()
        await journal.flush()
    assert stored(url) == [dripping("run", n) for n in range(3)]


async def test_a_journal_that_starts_while_the_database_is_away_waits_for_it(own: Postgres) -> None:
    url = own.new_database()
    own.kill()
    async with journal_at(url) as journal:
        said = asyncio.create_task(journal.append([dripping("run", 0)]))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own.start)
        await said
    assert stored(url) == [dripping("run", 0)]


async def test_a_full_disk_is_told_and_waited_for(file_url: str) -> None:
    store = open_store(file_url)
    await asyncio.to_thread(store.append, [dripping("run", 0)])
    limit(store, 1)
    writer = JournalWriter(store, Bounds(first_pause=0.01, longest_pause=0.05))
    said = asyncio.create_task(writer.append([dripping("run", n) for n in range(1, 500)]))
    async with asyncio.timeout(30):
        while not writer.health().trouble:  # noqa: ASYNC110  # the writer tells nobody about its troubles
            await asyncio.sleep(0.01)
    assert "disk is full (free some space" in writer.health().trouble
    limit(store, 2**30)
    await said
    await writer.aclose()
    assert len(stored(file_url)) == 500


def limit(store: Any, pages: int) -> None:
    """Bound the file's size in pages; SQLite then says what it says of a full disk."""
    with store._writer.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
