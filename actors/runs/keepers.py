"""Keepers, reached from a door: a run's own one is in the journal, a new run's is chosen by its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import ray

from actors.runs.errors import translated
from actors.runs.handles import Handle
from actors.runs.journal import RemoteJournal
from cluster import roles
from workflows.answer import AnswerEvent, RunRequest
from workflows.errors import KeeperLost, RunNotDriven
from workflows.spec import WorkflowSpec

RETURN_SECONDS = 15.0
"""How long a keeper may take to come back; a restart takes about two."""


class RemoteKeepers:
    """All keepers' typed face. They are started when they are needed.

    Args:
        start: a keeper by its number.
        journal: knows who drives which run.
        number_of: the keeper of a new run.
    """

    def __init__(
        self, start: Callable[[int], Handle], journal: RemoteJournal, number_of: Callable[[str], int]
    ) -> None:
        self._start = start
        self._journal = journal
        self._number_of = number_of

    async def keep(self, run: RunRequest, workflow: WorkflowSpec, version: int) -> None:
        """Have a run driven; return when it is safe. Raises as `Keeper.keep` does."""
        keeper = self._start(self._number_of(run.run_id))
        async with translated(KeeperLost):
            await keeper.keep.remote(run, workflow, version)

    async def attach(self, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Everything that a run says from its beginning on; leaving it changes nothing.

        Raises:
            KeeperLost: its keeper died in the middle of what was heard.
            RunNotDriven: nobody drives it now.
        """
        keeper = await self._keeper_of(run_id)
        # Not repeated by Ray when the keeper dies: it would leave out as many items as were heard before, and another life
        # says other ones.
        options = {"num_returns": "streaming", "max_task_retries": 0}
        stream: Any = keeper.attach.options(**options).remote(run_id, 0)
        try:
            async with translated(KeeperLost):
                async for ref in stream:
                    for event in await ref:
                        yield event
        finally:
            ray.cancel(stream)

    async def cancel(self, run_id: str) -> None:
        """Stop a run; return when that is recorded."""
        keeper = await self._keeper_of(run_id)
        async with translated(KeeperLost), asyncio.timeout(RETURN_SECONDS):
            await keeper.cancel.remote(run_id)

    async def _keeper_of(self, run_id: str) -> Handle:
        """The keeper that drives a run, or drove it; one that is needed no more is not started for it."""
        summary = await self._journal.summary(run_id)
        number = summary.driver.rpartition("-")[2] if summary is not None and summary.kept else ""
        if summary is None or not number.isdecimal():
            raise RunNotDriven(run_id)
        if summary.status == "running":
            return self._start(int(number))
        try:
            return ray.get_actor(roles.KEEPER.called(number), namespace=roles.NAMESPACE)
        except ValueError as error:
            raise RunNotDriven(run_id) from error
