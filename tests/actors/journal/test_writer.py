"""Group commit over a real database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import pytest
from sqlalchemy import event as sql_event

from actors.journal import dialects
from actors.journal.sql import SqlStore, open_store
from actors.journal.store import RunQuery
from actors.journal.writer import Bounds, JournalWriter
from tests.actors.journal.databases import locked
from tests.workflows.stories import dripping, fusion_run
from workflows.errors import JournalRefused, JournalUnavailable
from workflows.events import Event

SOON = 30.0
"""Seconds after which something that should happen at once is taken to never happen."""


class Gated(SqlStore):
    """The real store behind a gate, to hold a transaction up for as long as a test needs."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__(store._writer, store._reader)
        self.open = threading.Event()
        self.waiting = threading.Event()

    def append(self, batch: Sequence[Event]) -> None:
        self.waiting.set()
        assert self.open.wait(SOON)
        super().append(batch)


def commits(store: SqlStore) -> list[object]:
    """A list that grows by one with every transaction that the store commits."""
    seen: list[object] = []
    sql_event.listen(store._writer, "commit", seen.append)
    return seen


async def until_waiting(gate: Gated) -> None:
    """Return when a transaction stands at the gate."""
    assert await asyncio.to_thread(gate.waiting.wait, SOON)


async def eventually(holds: Callable[[], object]) -> None:
    """Return when it holds; the writer tells nobody about its troubles, so this asks."""
    async with asyncio.timeout(SOON):
        while not holds():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)


@pytest.fixture
async def writer(store: SqlStore) -> AsyncIterator[JournalWriter]:
    writer = JournalWriter(store)
    yield writer
    await writer.aclose()


@pytest.fixture
def impatient_url(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a journal whose connections give up a lock at once."""
    monkeypatch.setattr(dialects, "LOCK_SECONDS", 0.01)
    return url


async def test_an_acknowledged_event_is_committed(writer: JournalWriter, url: str) -> None:
    await writer.append(fusion_run())
    other = open_store(url, read_only=True)
    assert [recorded.event for recorded in other.events("run_1")] == fusion_run()
    other.close()


async def test_what_comes_while_a_transaction_is_under_way_shares_the_next_one(store: SqlStore) -> None:
    gate = Gated(store)
    transactions = commits(store)
    writer = JournalWriter(gate)
    first = asyncio.create_task(writer.append([dripping("run_1", 0)]))
    await until_waiting(gate)
    rest = [asyncio.create_task(writer.append([dripping("run_1", n)])) for n in range(1, 200)]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, *rest)
    assert len(transactions) == 2
    assert len(store.events("run_1")) == 200
    await writer.aclose()


async def test_a_transaction_takes_no_more_than_its_bound(store: SqlStore) -> None:
    transactions = commits(store)
    writer = JournalWriter(store, Bounds(batch=10))
    await asyncio.gather(*(writer.append([dripping("run_1", n)]) for n in range(100)))
    assert len(transactions) == 10
    await writer.aclose()


async def test_events_keep_the_order_in_which_they_were_appended(writer: JournalWriter) -> None:
    for n in range(50):
        await writer.append([dripping("run_1", n)], durable=False)
    await writer.append([dripping("run_1", 50)])
    found = await writer.events("run_1")
    assert [recorded.event for recorded in found] == [dripping("run_1", n) for n in range(51)]


async def test_many_writers_of_many_runs_lose_and_double_nothing(writer: JournalWriter) -> None:
    async def one(run_id: str) -> None:
        for event in fusion_run(run_id):
            await writer.append([event])

    await asyncio.gather(*(one(f"run_{n}") for n in range(20)))
    for n in range(20):
        assert [r.event for r in await writer.events(f"run_{n}")] == fusion_run(f"run_{n}")


async def test_two_writers_of_one_file_take_turns(store: SqlStore, url: str) -> None:
    writers = [JournalWriter(store), JournalWriter(open_store(url))]
    await asyncio.gather(
        *(writers[n % 2].append([dripping(f"run_{n % 2}", n)]) for n in range(200)),
    )
    seqs = [r.seq for n in range(2) for r in await writers[0].events(f"run_{n}")]
    assert sorted(seqs) == list(range(1, 201))
    for writer in writers:
        await writer.aclose()


class TestNotWaiting:
    """Appends whose callers do not wait for the commit."""

    async def test_they_return_while_the_database_is_busy_and_flush_waits(self, store: SqlStore) -> None:
        gate = Gated(store)
        writer = JournalWriter(gate)
        await writer.append(fusion_run(), durable=False)
        flush = asyncio.create_task(writer.flush())
        await until_waiting(gate)
        assert not flush.done()
        gate.open.set()
        await flush
        assert len(await writer.events("run_1")) == len(fusion_run())
        await writer.aclose()

    async def test_a_full_queue_makes_callers_wait_and_drops_nothing(self, store: SqlStore) -> None:
        gate = Gated(store)
        writer = JournalWriter(gate, Bounds(waiting=5))
        await writer.append([dripping("run_1", 0)], durable=False)
        await until_waiting(gate)
        more = [
            asyncio.create_task(writer.append([dripping("run_1", n)], durable=False)) for n in range(1, 21)
        ]
        await asyncio.wait(more[:5])
        assert [task.done() for task in more] == [True] * 5 + [False] * 15
        assert writer.health().waiting == 5
        gate.open.set()
        await asyncio.gather(*more)
        await writer.flush()
        assert len(await writer.events("run_1")) == 21
        await writer.aclose()

    async def test_the_event_loop_runs_while_the_database_is_busy(self, store: SqlStore) -> None:
        gate = Gated(store)
        writer = JournalWriter(gate)
        append = asyncio.create_task(writer.append(fusion_run()))
        await until_waiting(gate)
        assert await writer.events("run_1") == ()
        assert not append.done()
        gate.open.set()
        await append
        await writer.aclose()

    async def test_a_caller_that_is_cancelled_while_it_waits_has_still_appended(
        self, store: SqlStore
    ) -> None:
        gate = Gated(store)
        writer = JournalWriter(gate)
        append = asyncio.create_task(writer.append(fusion_run()))
        await until_waiting(gate)
        append.cancel()
        with pytest.raises(asyncio.CancelledError):
            await append
        gate.open.set()
        await writer.flush()
        assert len(await writer.events("run_1")) == len(fusion_run())
        await writer.aclose()


class TestTail:
    """Long polls."""

    async def test_it_returns_at_once_what_is_there(self, writer: JournalWriter) -> None:
        await writer.append(fusion_run())
        found = await writer.tail("run_1", 0, SOON)
        assert [recorded.event for recorded in found] == fusion_run()

    async def test_it_is_woken_by_the_commit(self, writer: JournalWriter) -> None:
        await writer.append([dripping("run_1", 0)])
        (seen,) = await writer.events("run_1")
        tail = asyncio.create_task(writer.tail("run_1", seen.seq, SOON))
        await writer.append([dripping("run_2", 1)])
        assert not tail.done()
        await writer.append([dripping("run_1", 2)])
        async with asyncio.timeout(SOON / 2):
            (newer,) = await tail
        assert newer.event == dripping("run_1", 2)

    async def test_it_does_not_ask_the_database_while_it_waits(
        self, store: SqlStore, writer: JournalWriter
    ) -> None:
        reads: list[object] = []
        sql_event.listen(store._reader, "begin", reads.append)
        tail = asyncio.create_task(writer.tail("run_1", 0, SOON))
        for n in range(20):
            await writer.append([dripping("run_2", n)])
        await writer.append([dripping("run_1", 0)])
        await tail
        assert len(reads) == 2

    async def test_it_ends_empty_when_nothing_happens_in_time(self, writer: JournalWriter) -> None:
        assert await writer.tail("run_1", 0, 0.02) == ()
        assert await writer.tail("run_1", 0, 0.0) == ()

    async def test_it_leaves_nothing_behind(self, writer: JournalWriter) -> None:
        await writer.tail("run_1", 0, 0.01)
        waiting = asyncio.create_task(writer.tail("run_2", 0, SOON))
        await writer.append([])
        waiting.cancel()
        await asyncio.wait([waiting])
        assert dict(writer._news) == {}

    async def test_a_reader_that_goes_on_behind_what_it_saw_misses_nothing(
        self, writer: JournalWriter
    ) -> None:
        async def read() -> list[Event]:
            seen: list[Event] = []
            place = 0
            while len(seen) < 300:
                for recorded in await writer.tail("run_1", place, SOON):
                    seen.append(recorded.event)
                    place = recorded.seq
            return seen

        reader = asyncio.create_task(read())
        for start in range(0, 300, 3):
            await asyncio.gather(*(writer.append([dripping("run_1", start + n)]) for n in range(3)))
        async with asyncio.timeout(SOON):
            assert await reader == [dripping("run_1", n) for n in range(300)]


class TestTrouble:
    """A database that does not do as it is told."""

    async def test_appends_survive_a_database_that_is_away_for_a_while(self, impatient_url: str) -> None:
        writer = JournalWriter(open_store(impatient_url), Bounds(first_pause=0.01, longest_pause=0.05))
        with locked(impatient_url):
            append = asyncio.create_task(writer.append(fusion_run()))
            await eventually(lambda: writer.health().trouble)
            assert "lock" in writer.health().trouble
            assert not append.done()
        await append
        assert writer.health().trouble == ""
        assert len(await writer.events("run_1")) == len(fusion_run())
        await writer.aclose()

    async def test_callers_hear_of_it_when_patience_ends_and_later_appends_work_again(
        self, impatient_url: str
    ) -> None:
        writer = JournalWriter(open_store(impatient_url), Bounds(patience=0.05, first_pause=0.01))
        with locked(impatient_url):
            together = [writer.append([dripping("run_1", n)]) for n in range(5)]
            ends = await asyncio.gather(*together, return_exceptions=True)
            assert [type(end) for end in ends] == [JournalUnavailable] * 5
        await writer.append([dripping("run_1", 5)])
        assert [r.event for r in await writer.events("run_1")] == [dripping("run_1", 5)]
        await writer.aclose()

    async def test_what_nobody_waited_for_is_told_by_the_next_flush_once(
        self, impatient_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        writer = JournalWriter(open_store(impatient_url), Bounds(patience=0.02, first_pause=0.01))
        with locked(impatient_url):
            await writer.append([dripping("run_1", 0), dripping("run_1", 1)], durable=False)
            await eventually(lambda: writer.health().lost)
        with pytest.raises(JournalUnavailable, match="2 events"):
            await writer.flush()
        await writer.flush()
        assert writer.health().lost == 2
        assert "2 events that nobody waited for are lost" in caplog.text
        await writer.aclose()

    async def test_an_event_that_cannot_be_stored_does_not_take_others_with_it(self, store: SqlStore) -> None:
        gate = Gated(store)
        writer = JournalWriter(gate)
        first = asyncio.create_task(writer.append([dripping("run_1", 0)]))
        await until_waiting(gate)
        unfit = cast("Any", dripping("run_1", 1))
        object.__setattr__(unfit, "step_id", object())
        bad = asyncio.create_task(writer.append([unfit]))
        good = asyncio.create_task(writer.append([dripping("run_1", 2)]))
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, good)
        with pytest.raises(JournalRefused, match="cannot be stored"):
            await bad
        assert len(await writer.events("run_1")) == 2
        await writer.aclose()


class TestClosing:
    """The end of a writer."""

    async def test_what_waits_is_written_first(self, store: SqlStore, url: str) -> None:
        writer = JournalWriter(store)
        await writer.append(fusion_run(), durable=False)
        await writer.aclose()
        await writer.aclose()
        again = open_store(url, read_only=True)
        assert len(again.events("run_1")) == len(fusion_run())
        again.close()

    async def test_nothing_more_is_taken(self, store: SqlStore) -> None:
        writer = JournalWriter(store)
        await writer.aclose()
        with pytest.raises(JournalUnavailable, match="closed"):
            await writer.append(fusion_run())
        with pytest.raises(JournalUnavailable, match="closed"):
            await writer.runs(RunQuery())

    async def test_tails_end(self, store: SqlStore) -> None:
        writer = JournalWriter(store)
        tail = asyncio.create_task(writer.tail("run_1", 0, SOON))
        await writer.append([dripping("run_2", 0)])
        await writer.aclose()
        with pytest.raises(JournalUnavailable, match="closed"):
            await tail

    async def test_no_thread_is_left(self, store: SqlStore) -> None:
        writer = JournalWriter(store)
        await writer.append(fusion_run())
        await writer.summary("run_1")
        await writer.aclose()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("journal-")]


async def test_health_counts_events_and_transactions(writer: JournalWriter) -> None:
    await writer.append(fusion_run())
    await writer.append([dripping("run_2", 0)])
    health = writer.health()
    assert (health.stored, health.transactions, health.waiting) == (len(fusion_run()) + 1, 2, 0)
    assert (health.lost, health.trouble) == (0, "")
