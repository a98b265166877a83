"""The journal as one actor: the only process that writes it, so that places grow in the order of commits.

An ordinary async class; `actors.runs` makes it a named Ray actor. Everything that crosses is a frozen value.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING

from actors.journal.limits import parse
from actors.journal.pruning import Pruning
from actors.journal.store import PAGE, Claim, Recorded, Retake, RunQuery, can_be_retaken
from actors.journal.writer import JournalHealth, JournalWriter
from cluster import metrics, observability
from cluster.instruments import JOURNAL_COMMIT, JOURNAL_EVENTS, JOURNAL_WAITING
from workflows.events import Event, RunFinished
from workflows.publications import Activation, History, Publication
from workflows.redaction import redacted
from workflows.replay import RunSummary

if TYPE_CHECKING:
    from actors.journal.sql import SqlStore

SILENCE_SECONDS = 60.0
"""After how long a silence a driver is taken for dead; drivers speak every `HEARTBEAT_SECONDS`."""
HEARTBEAT_SECONDS = 10.0


class JournalActor:
    """Group commit and long polls over the store at `url`.

    Without `capture_content` it keeps who did what, when, for how many tokens, and with which errors, but not what
    was said (`workflows.redaction`); runs can then be seen, but not resumed. It prunes itself to `retention`, which
    is an age, a size, or both, as in ``30d 2GB``.
    """

    def __init__(self, url: str, capture_content: bool, retention: str = "") -> None:
        observability.setup("journal")
        # By name and late: only this actor's process pays for SQLAlchemy, 0.7 s of the start of every other one.
        self._store: SqlStore = importlib.import_module("actors.journal.sql").store_at(url)
        self._publications = self._store.publications
        self._writer = JournalWriter(self._store, on_transaction=_measure)
        self._pruning = Pruning(self._writer, self._store.retention, parse(retention))
        metrics.watch(JOURNAL_WAITING, lambda: self._writer.health().waiting, {})
        self._swept_at = 0.0
        self._kept: Callable[[Event], Event] = _whole if capture_content else redacted

    async def append(self, events: Sequence[Event], durable: bool = True) -> None:
        """Store the events; see `JournalWriter.append`."""
        self._pruning.start()
        await self._writer.append([self._kept(event) for event in events], durable)

    async def tail(self, run_id: str, after: int, within: float) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`; waits up to `within` seconds for the first of them."""
        return await self._writer.tail(run_id, after, within)

    async def events(self, run_id: str, after: int = 0, limit: int = PAGE) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`, oldest first; none for an unknown run."""
        return await self._writer.events(run_id, after, limit)

    async def stories(self, run_ids: Sequence[str]) -> Mapping[str, tuple[Event, ...]]:
        """The events of these runs, oldest first; nothing of an unknown run."""
        return await self._writer.read(self._store.stories, run_ids)

    async def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        """How these runs finished; nothing of a run that did not."""
        return await self._writer.finished(run_ids)

    async def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """The runs that match, newest first."""
        return await self._writer.runs(query)

    async def summary(self, run_id: str) -> RunSummary | None:
        """One run's line in the list; None for an unknown run."""
        return await self._writer.summary(run_id)

    async def add_publication(self, draft: Publication) -> Publication:
        """The version with the draft's content, new or known; see `SqlPublications.add`."""
        return await self._writer.change(self._publications.add, draft)

    async def activate(self, activation: Activation) -> None:
        """Have a version answer from now on, or none."""
        await self._writer.change(self._publications.activate, activation)

    async def histories(self, virtual_model: str | None = None) -> tuple[History, ...]:
        """What was published, under every name or under that one."""
        return await self._writer.read(self._publications.histories, virtual_model)

    async def alive(self, driver: str) -> None:
        """A driver lives. Now and then runs that were lost with theirs are closed on this occasion."""
        now = time()
        await self._writer.change(self._store.seen, driver, now)
        if now - self._swept_at > SILENCE_SECONDS / 3:
            self._swept_at = now
            await self._writer.decide(self._store.close_lost, now - SILENCE_SECONDS, now)

    async def bury(self, prefix: str, but: str) -> None:
        """All drivers with such names are dead for certain, but those that begin with `but`: close what they lost."""
        now = time()
        await self._writer.change(self._store.forget, prefix, but)
        await self._writer.decide(self._store.close_lost, now, now)

    async def claim(self, driver: str, own: bool, limit: int) -> tuple[str, ...]:
        """Give a driver kept runs whose drivers are dead; see `custody.Claim`."""
        now = time()
        wish = Claim(driver=driver, silent_since=now - SILENCE_SECONDS, at=now, own=own, limit=limit)
        return await self._writer.decide(self._store.claim, wish)

    async def end(self, drivers_prefix: str, reason: str) -> tuple[str, ...]:
        """End the runs that nobody keeps and that drivers with such names answer."""
        return await self._writer.decide(self._store.end, drivers_prefix, reason, time())

    async def reopen(self, run_id: str, driver: str) -> bool:
        """Whether a kept run that had ended without an answer is the driver's now."""
        return bool(await self._writer.decide(self._store.reopen, run_id, driver, time()))

    async def retake(self, wishes: Sequence[Retake]) -> tuple[tuple[RunSummary | None, bool], ...]:
        """Of each wish the latest run that was asked the same, and whether it was given to `wish.driver` now."""
        known = await self._writer.read(self._store.asked_before, wishes)
        return tuple([await self._retake(wish, run) for wish, run in zip(wishes, known, strict=True)])

    async def _retake(self, wish: Retake, known: RunSummary | None) -> tuple[RunSummary | None, bool]:
        if known is None or not can_be_retaken(known.status, kept=known.kept):
            return known, False  # nearly always, and nobody's turn to write was taken
        return await self._writer.change(self._store.retake, wish)

    async def health(self) -> JournalHealth:
        """How the journal is doing; answers also while the database does not."""
        return self._writer.health()

    async def flush(self) -> None:
        """Return when everything appended so far is committed; see `JournalWriter.flush`."""
        await self._writer.flush()

    async def close(self) -> None:
        """Write what waits and close the database."""
        await self._pruning.stop()
        await self._writer.aclose()


def _measure(events: int, seconds: float, committed: bool) -> None:
    metrics.record(JOURNAL_COMMIT, seconds, {"status": "ok" if committed else "failed"})
    if committed:
        metrics.record(JOURNAL_EVENTS, events, {})


def _whole(event: Event) -> Event:
    return event
