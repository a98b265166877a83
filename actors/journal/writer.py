"""Group commit: many callers' events in one transaction, and readers woken by it.

While one transaction is under way, whatever arrives waits in a bounded queue and becomes the next one; so batches
grow by themselves under load and a lone event waits for nothing. The SQL runs on one thread for writing and a few
for reading: the event loop never blocks. A full queue makes callers wait; nothing is dropped.

    append ─ queue ─ one task ─ writing thread ─ commit ─┬─ resolves the appends
                                                         └─ wakes the tails of the runs in it
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from actors.journal.store import PAGE, JournalStore, Recorded, RunQuery
from workflows.errors import JournalRefused, JournalUnavailable, StellaratorError, UsageError
from workflows.events import Event, RunFinished
from workflows.replay import RunSummary

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a writer takes on.

    Attributes:
        waiting: appends that may wait to be written; one more makes its caller wait.
        batch: events after which a transaction takes no further append.
        gather: seconds between two transactions of a busy journal, in which appends come together: a transaction
            costs as much as ten events. What comes alone does not wait.
        readers: threads for reading.
        patience: seconds from the first failure of the database until appends are given up; callers wait
            meanwhile. Until it works again, each further append is then tried once.
        first_pause: seconds before the second try; doubled with each further one, up to `longest_pause`.
    """

    waiting: int = 10_000
    batch: int = 2_000
    gather: float = 0.002
    readers: int = 4
    patience: float = 60.0
    first_pause: float = 0.05
    longest_pause: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHealth:
    """How a writer is doing, since its start.

    Attributes:
        waiting: appends that wait to be written.
        stored: events committed, repetitions included.
        transactions: commits.
        lost: events that could not be stored and that nobody waited for.
        trouble: what is wrong with the database; empty when it took the last events.
    """

    waiting: int
    stored: int
    transactions: int
    lost: int
    trouble: str


OnTransaction = Callable[[int, float, bool], None]
"""Told of each transaction: how many events, how many seconds, whether it was committed."""


def _untold(_events: int, _seconds: float, _committed: bool) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class _Append:
    """What one caller wants stored, and where it waits to hear of it."""

    events: Sequence[Event]
    done: asyncio.Future[None] | None


class JournalWriter:
    """The way to a store from an event loop. Owns the store and closes it."""

    def __init__(
        self, store: JournalStore, bounds: Bounds | None = None, on_transaction: OnTransaction = _untold
    ) -> None:
        self._store = store
        self._on_transaction = on_transaction
        self._bounds = bounds or Bounds()
        self._queue: asyncio.Queue[_Append] = asyncio.Queue(self._bounds.waiting)
        self._writing = ThreadPoolExecutor(1, "journal-write")
        self._reading = ThreadPoolExecutor(self._bounds.readers, "journal-read")
        self._news: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._stored = self._transactions = self._lost = self._lost_since_flush = 0
        self._failing_since: float | None = None
        self._trouble = ""

    async def append(self, events: Sequence[Event], durable: bool = True) -> None:
        """Store the events, after everything appended before.

        Args:
            events: in the order in which they happened.
            durable: return when they are committed; else as soon as they wait to be.

        Raises:
            JournalUnavailable: the database does not take them, or the writer is closed.
        """
        self._require_open()
        if self._task is None:
            self._task = asyncio.create_task(self._write_on(), name="journal-writer")
        done = asyncio.get_running_loop().create_future() if durable else None
        await self._queue.put(_Append(events, done))
        if done is not None:
            await done

    async def flush(self) -> None:
        """Return when everything appended so far is committed.

        Raises:
            JournalUnavailable: some of it, since the last flush, could not be.
        """
        await self.append(())
        lost, self._lost_since_flush = self._lost_since_flush, 0
        if lost:
            raise JournalUnavailable(f"{lost} events could not be stored: {self._trouble}")

    async def tail(self, run_id: str, after: int, within: float) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`; waits up to `within` seconds for the first of them.

        What another process writes to the same database is seen when the time is over.
        """
        now = asyncio.get_running_loop().time
        end = now() + within
        with self._watching(run_id) as news:
            while True:
                news.clear()
                found = await self.events(run_id, after)
                if found or now() >= end:
                    return found
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(end):
                        await news.wait()

    async def events(self, run_id: str, after: int = 0, limit: int = PAGE) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`, oldest first."""
        return await self.read(self._store.events, run_id, after, limit)

    async def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        """How these runs finished; nothing of a run that did not."""
        return await self.read(self._store.finished, run_ids)

    async def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """The runs that match, newest first."""
        return await self.read(self._store.runs, query)

    async def summary(self, run_id: str) -> RunSummary | None:
        """One run's line in the list; None for an unknown run."""
        return await self.read(self._store.summary, run_id)

    async def change(self, change: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry out a change of the store that is no event, in turn with the events; tried once.

        Raises:
            JournalUnavailable: the database does not take it, or the writer is closed.
        """
        self._require_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writing, lambda: change(*args, **kwargs))

    async def decide(
        self, change: Callable[P, tuple[str, ...]], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[str, ...]:
        """The same for a change that stores events; it comes to their runs, and who waits for those is woken."""
        run_ids = await self.change(change, *args, **kwargs)
        self._wake(run_ids)
        return run_ids

    def health(self) -> JournalHealth:
        """How this writer is doing."""
        return JournalHealth(
            waiting=self._queue.qsize(),
            stored=self._stored,
            transactions=self._transactions,
            lost=self._lost,
            trouble=self._trouble,
        )

    async def aclose(self) -> None:
        """Write what waits, then close the store. Tails that are waiting end with `JournalUnavailable`."""
        if self._closed:
            return
        self._closed = True
        await self._queue.join()
        if self._task is not None:
            self._task.cancel()
        self._wake(tuple(self._news))
        await asyncio.to_thread(self._close_store)

    def _close_store(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        self._store.close()

    async def _write_on(self) -> None:
        while True:
            batch = await self._next_batch()
            await self._commit(batch)
            for _ in batch:
                self._queue.task_done()
            if len(batch) > 1:
                await asyncio.sleep(self._bounds.gather)

    async def _next_batch(self) -> list[_Append]:
        """Whatever waits, up to the bound; at least one append."""
        batch = [await self._queue.get()]
        size = len(batch[0].events)
        while size < self._bounds.batch and not self._queue.empty():
            batch.append(self._queue.get_nowait())
            size += len(batch[-1].events)
        return batch

    async def _commit(self, batch: Sequence[_Append]) -> None:
        """Store the appends in one transaction and tell their callers; never raises."""
        events = [event for append in batch for event in append.events]
        try:
            if events:
                await self._store_patiently(events)
        except JournalUnavailable as error:
            self._fail(batch, error)
        except UsageError as error:  # a journal that a newer version wrote
            self._fail(batch, error)
        except Exception as error:
            # One event that cannot be stored at all must not take the others with it.
            if len(batch) > 1:
                for append in batch:
                    await self._commit([append])
                return
            log.exception("an append of %d events cannot be stored", len(events))
            self._fail(batch, JournalRefused(f"The events cannot be stored ({type(error).__name__})."))
        else:
            _resolve(batch, None)
            self._wake({event.run_id for event in events})

    async def _store_patiently(self, events: Sequence[Event]) -> None:
        """Try until the database takes the events or patience ends. Events have ids, so twice is once."""
        loop = asyncio.get_running_loop()
        pause = self._bounds.first_pause
        while True:
            began = loop.time()
            try:
                await loop.run_in_executor(self._writing, self._store.append, events)
            except JournalUnavailable as error:
                self._on_transaction(len(events), loop.time() - began, False)
                self._trouble = str(error)
                self._failing_since = self._failing_since or loop.time()
                if loop.time() + pause > self._failing_since + self._bounds.patience:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._bounds.longest_pause)
            else:
                self._on_transaction(len(events), loop.time() - began, True)
                self._stored += len(events)
                self._transactions += 1
                self._failing_since, self._trouble = None, ""
                return

    def _fail(self, batch: Iterable[_Append], error: StellaratorError) -> None:
        """Tell the callers that wait; remember what nobody waits for until the next flush."""
        lost = sum(len(append.events) for append in batch if append.done is None)
        if lost:
            log.error("%d events that nobody waited for are lost: %s", lost, error)
            self._lost += lost
            self._lost_since_flush += lost
        _resolve(batch, error)

    @contextmanager
    def _watching(self, run_id: str) -> Iterator[asyncio.Event]:
        """An event that is set by every commit with news of the run."""
        news = asyncio.Event()
        self._news[run_id].add(news)
        try:
            yield news
        finally:
            self._news[run_id].discard(news)
            if not self._news[run_id]:
                del self._news[run_id]

    def _wake(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            for news in self._news.get(run_id, ()):
                news.set()

    async def read(self, read: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the store says, asked on a thread for reading."""
        self._require_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, lambda: read(*args, **kwargs))

    def _require_open(self) -> None:
        if self._closed:
            raise JournalUnavailable("The journal is closed.")


def _resolve(batch: Iterable[_Append], error: StellaratorError | None) -> None:
    for append in batch:
        if append.done is None or append.done.done():
            continue
        if error is None:
            append.done.set_result(None)
        else:
            append.done.set_exception(error)
