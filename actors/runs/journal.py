"""The journal, reached from any process: batches what this process has to say and sends one batch at a time.

One batch is in flight at a time, so order is kept and batches grow by themselves under load; what somebody waits for
is sent at once, and takes with it what nobody waits for. While the journal's
process or its database is away, events are kept and sent again, however long it takes. Memory is bounded: past
`MAX_WAITING` events that nobody acknowledged, recording fails loudly instead of dropping silently.

Whoever may not go on before an event is safe waits `WAIT_SECONDS` for it. Then it is told `JournalUnavailable`, so a
client gets an error instead of a request that hangs; the event is stored all the same, when the journal is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from itertools import chain, repeat
from time import time

from actors.journal.actor import HEARTBEAT_SECONDS
from actors.journal.store import Recorded, Retake, RunQuery
from actors.runs.errors import translated
from actors.runs.handles import Handle
from actors.runs.together import Together
from workflows.errors import JournalRefused, JournalUnavailable, StellaratorError
from workflows.events import ENDINGS, Event, RunFinished
from workflows.publications import Activation, History, Publication
from workflows.replay import RunSummary

log = logging.getLogger(__name__)

MAX_WAITING = 50_000
LINGER_SECONDS = 0.01
"""How long an event that nobody waits for may linger: a call to the journal costs as much as storing twenty events."""
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between the first attempts; a restart of the journal's process takes about two. The last one stays."""
WAIT_SECONDS = 60.0
"""How long a step waits for its durable write, or for the record of what it did before, when the journal is away."""


class RemoteJournal:
    """The journal actor's typed face. `driver` names this process, if it answers runs."""

    def __init__(self, actor: Handle, driver: str = "") -> None:
        self._actor = actor
        self.driver = driver
        self._heart: asyncio.Task[None] | None = None
        self._waiting: list[Event] = []
        self._safe: list[asyncio.Future[None]] = []
        self._urgent = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._retakes = Together(self._retake)

    async def append(self, events: Sequence[Event]) -> None:
        """Store events, after everything said before; return when they are committed."""
        safe = asyncio.get_running_loop().create_future()
        self.append_soon(events)
        self._safe.append(safe)
        self._urgent.set()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await safe
        except TimeoutError:
            raise JournalUnavailable(
                f"The journal has not taken what happened for {WAIT_SECONDS:.0f} s. Is its database up?"
            ) from None

    def append_soon(self, events: Sequence[Event]) -> None:
        """Store events shortly, in order; return at once."""
        if len(self._waiting) > MAX_WAITING:
            raise JournalUnavailable("The journal has been away for too long: no more can be kept for it.")
        self._waiting.extend(events)
        if any(isinstance(event, ENDINGS) for event in events):
            self._urgent.set()  # whoever asks for the same again looks for it
        if self._sender is None or self._sender.done():
            # In an empty context: Ray would take what it sends for children of whichever request came first, and
            # cancel everybody's events together with that request.
            loop = asyncio.get_running_loop()
            self._sender = loop.create_task(self._send_all(), context=Context())

    async def flush(self) -> None:
        """Return when everything said so far is committed."""
        await self.append(())

    async def close(self) -> None:
        """Commit everything and have the actor close its database."""
        await self.flush()
        async with translated(JournalUnavailable):
            await self._actor.close.remote()

    def beat(self) -> None:
        """Begin to say that this driver lives, and go on with it as long as the process lasts."""
        if self._heart is None or self._heart.done():
            loop = asyncio.get_running_loop()
            self._heart = loop.create_task(self._say_that_it_lives(), context=Context())

    async def bury(self, prefix: str, but: str) -> None:
        """Drivers with such names are dead for certain, but those that begin with `but`: close what they lost."""
        async with translated(JournalUnavailable):
            await self._actor.bury.remote(prefix, but)

    async def claim(self, *, own: bool, limit: int) -> tuple[str, ...]:
        """Get kept runs that nobody drives any more, for this driver; `own`: also those of its earlier lives."""
        async with translated(JournalUnavailable):
            found: tuple[str, ...] = await self._actor.claim.remote(self.driver, own, limit)
            return found

    async def end(self, drivers_prefix: str, reason: str) -> None:
        """Close the runs that nobody keeps and that drivers with such names answer."""
        async with translated(JournalUnavailable):
            await self._actor.end.remote(drivers_prefix, reason)

    async def reopen(self, run_id: str) -> bool:
        """Whether a kept run that had ended without an answer is this driver's now."""
        async with translated(JournalUnavailable):
            taken: bool = await self._actor.reopen.remote(run_id, self.driver)
            return taken

    async def retake(
        self, fingerprint: str, virtual_model: str, since: float
    ) -> tuple[RunSummary | None, bool]:
        """The latest run that was asked the same, and whether it is this driver's now."""
        return await self._retakes.answer(Retake(fingerprint, virtual_model, since, self.driver, time()))

    async def summary(self, run_id: str) -> RunSummary | None:
        """One run's line in the list; None for an unknown run."""
        async with translated(JournalUnavailable):
            found: RunSummary | None = await self._actor.summary.remote(run_id)
            return found

    async def events(self, run_id: str) -> tuple[Event, ...]:
        """Everything that is known of a run; waits for a journal that is away, as resumed runs depend on it."""
        end = asyncio.get_running_loop().time() + WAIT_SECONDS
        for pause in _pauses():
            try:
                async with translated(JournalUnavailable):
                    recorded: tuple[Recorded, ...] = await self._actor.events.remote(run_id)
                    return tuple(item.event for item in recorded)
            except JournalUnavailable:
                if asyncio.get_running_loop().time() + pause > end:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def stories(self, run_ids: Sequence[str]) -> Mapping[str, tuple[Event, ...]]:
        """Everything that is known of these runs; nothing of an unknown one."""
        async with translated(JournalUnavailable):
            found: Mapping[str, tuple[Event, ...]] = await self._actor.stories.remote(run_ids)
            return found

    async def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        """How these runs finished; nothing of a run that did not."""
        async with translated(JournalUnavailable):
            found: tuple[RunFinished, ...] = await self._actor.finished.remote(run_ids)
            return found

    async def tail(self, run_id: str, after: int, within: float) -> tuple[Recorded, ...]:
        """Return a run's events newer than `after`; wait for them up to `within` seconds."""
        async with translated(JournalUnavailable):
            newer: tuple[Recorded, ...] = await self._actor.tail.remote(run_id, after, within)
            return newer

    async def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """Return runs, newest first."""
        async with translated(JournalUnavailable):
            found: tuple[RunSummary, ...] = await self._actor.runs.remote(query)
            return found

    async def add_publication(self, draft: Publication) -> Publication:
        """The version with the draft's content: a new one, or the one that had it already."""
        async with translated(JournalUnavailable):
            added: Publication = await self._actor.add_publication.remote(draft)
            return added

    async def activate(self, activation: Activation) -> None:
        """Have a version answer from now on, or none; return when it is committed."""
        async with translated(JournalUnavailable):
            await self._actor.activate.remote(activation)

    async def histories(self, virtual_model: str | None = None) -> tuple[History, ...]:
        """What was published under every name, or under that one."""
        async with translated(JournalUnavailable):
            found: tuple[History, ...] = await self._actor.histories.remote(virtual_model)
            return found

    async def _retake(self, wishes: Sequence[Retake]) -> Sequence[tuple[RunSummary | None, bool]]:
        async with translated(JournalUnavailable):
            found: Sequence[tuple[RunSummary | None, bool]] = await self._actor.retake.remote(wishes)
            return found

    async def _say_that_it_lives(self) -> None:
        while True:
            # A journal that is away does not hear others either.
            with suppress(StellaratorError):
                async with translated(JournalUnavailable):
                    await self._actor.alive.remote(self.driver)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _send_all(self) -> None:
        while self._waiting or self._safe:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), LINGER_SECONDS)
            self._urgent.clear()
            batch, self._waiting = self._waiting, []
            safe, self._safe = self._safe, []
            _resolve(safe, await self._sent(batch))

    async def _sent(self, batch: list[Event]) -> StellaratorError | None:
        """Send a batch. What cannot be stored at all must not take the rest with it; return why."""
        try:
            await self._send(batch)
        except Exception as error:  # noqa: BLE001  # whoever waits must hear of any failure
            if len(batch) > 1:
                failures = [await self._sent([event]) for event in batch]
                return next(filter(None, failures), None)
            log.error("%d event is lost (%s)", len(batch), type(error).__name__)  # noqa: TRY400  # no contents
            return (
                error if isinstance(error, StellaratorError) else JournalRefused("An event cannot be stored.")
            )
        return None

    async def _send(self, batch: list[Event]) -> None:
        """Send one batch until it is stored; events carry unique ids, so sending twice stores once."""
        for pause in _pauses():
            try:
                async with translated(JournalUnavailable):
                    await self._actor.append.remote(batch)
            except (JournalUnavailable, asyncio.CancelledError):
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                await asyncio.sleep(pause)
            else:
                return


def _pauses() -> Iterator[float]:
    return chain(PAUSES, repeat(PAUSES[-1]))


def _resolve(waiting: list[asyncio.Future[None]], error: StellaratorError | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
