"""The journal kept within its limits while it is in use: once an hour, in short turns between everybody's events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from time import time
from typing import TYPE_CHECKING

from actors.journal.limits import Plan, Retention
from actors.journal.writer import JournalWriter
from workflows.errors import StellaratorError

if TYPE_CHECKING:
    from actors.journal.retention import SqlRetention

log = logging.getLogger(__name__)

PAUSE_SECONDS = 3600.0
FIRST_PAUSE_SECONDS = 60.0
"""Time after the start of a journal: nobody who starts should wait for it."""


class Pruning:
    """Prunes in the background. Needs a running event loop when it is started."""

    def __init__(self, writer: JournalWriter, store: SqlRetention, wanted: Retention) -> None:
        self._writer = writer
        self._store = store
        self._wanted = wanted
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, if there is anything to keep to and it has not begun."""
        if self._task is None and self._wanted != Retention():
            self._task = asyncio.get_running_loop().create_task(self._keep_on(), name="journal-pruning")

    async def stop(self) -> None:
        """End; what is under way in the database comes to its end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def prune(self) -> Plan:
        """Prune once; raises `JournalUnavailable`."""
        plan = await self._writer.read(self._store.plan, self._wanted, time())
        for steps in (self._store.remove_runs(plan), self._store.remove_contents(plan)):
            while await self._writer.change(_step, steps):
                pass
        return plan

    async def _keep_on(self) -> None:
        await asyncio.sleep(FIRST_PAUSE_SECONDS)
        while True:
            try:
                plan = await self.prune()
            except StellaratorError as error:
                log.warning("the journal could not be pruned: %s", error)
            else:
                if plan.runs:
                    log.info("pruned %d runs, %d bytes", len(plan.runs), plan.freed)
            await asyncio.sleep(PAUSE_SECONDS)


def _step(steps: Iterator[int]) -> bool:
    """One short transaction; False when there was nothing left to do."""
    return next(steps, None) is not None
