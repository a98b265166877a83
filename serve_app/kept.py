"""Runs that outlive their request, as the doors see them: kept, followed from anywhere, stopped on demand.

A follower hears the run's keeper as long as that remembers the answer as it was said, and the journal afterwards. When
the keeper dies, its next life goes on with the run: a follower that has heard nothing of the answer itself stays and hears
that; one that has would hear other words for the same place, and is told to come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from typing import Protocol

from serve_app.hosting import Records
from workflows.answer import AnswerEvent, AnswerStarted, Progress, RunRequest
from workflows.errors import KeeperLost, RunNotDriven
from workflows.replay import summary_of
from workflows.retelling import told_again
from workflows.spec import WorkflowSpec

PATIENCE_SECONDS = 30.0
"""How long a follower waits for a keeper that is away; a restart takes about two."""
PAUSE_SECONDS = 0.5


class Keepers(Protocol):
    """Whoever drives kept runs."""

    async def keep(self, run: RunRequest, workflow: WorkflowSpec, version: int) -> None:
        """Have a run driven; return when it is safe. See `actors.keeper.Keeper.keep`."""

    def attach(self, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Everything that a run says, from its beginning on.

        Raises:
            KeeperLost: its keeper died in between.
            RunNotDriven: nobody drives it now.
        """
        ...

    async def cancel(self, run_id: str) -> None:
        """Stop a run; return when that is recorded. Raises `RunNotDriven`."""


async def followed(keepers: Keepers, records: Records, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
    """Everything that a kept run says, to its end; leaving it changes nothing.

    Raises:
        KeeperLost: part of the answer was heard, and its next life may say it otherwise.
        RunNotDriven: nobody went on with it for too long.
    """
    has_begun = has_spoken = False
    waited_since = monotonic()
    while True:
        try:
            async with aclosing(_told(keepers, records, run_id)) as events:
                async for event in events:
                    if isinstance(event, AnswerStarted) and has_begun:
                        continue
                    has_begun = True
                    has_spoken = has_spoken or not isinstance(event, AnswerStarted | Progress)
                    waited_since = monotonic()
                    yield event
        except (KeeperLost, RunNotDriven):
            if has_spoken or monotonic() - waited_since > PATIENCE_SECONDS:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return


async def _told(keepers: Keepers, records: Records, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
    """The run's answer from its keeper, or from the journal when it is over and the keeper has forgotten it."""
    try:
        async with aclosing(keepers.attach(run_id)) as events:
            async for event in events:
                yield event
    except RunNotDriven:
        recorded = await records.events(run_id)
        if summary_of(recorded).status == "running":
            raise
        for event in told_again(recorded):
            yield event


async def stopped(keepers: Keepers, records: Records, run_id: str) -> None:
    """Stop a kept run, down to the upstream sockets; one that is over stays as it is.

    Raises:
        KeeperLost: its keeper did not come back.
    """
    until = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await keepers.cancel(run_id)
        except (KeeperLost, RunNotDriven):
            if summary_of(await records.events(run_id)).status != "running":
                return None
            if monotonic() > until:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
