"""Coordinators, reached from a virtual model: the run's id decides which one; cancelling the wait cancels it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

import ray

from actors.orders import PanelOrder
from actors.runs.errors import translated
from actors.runs.handles import Handle
from actors.telling import Told
from workflows.errors import ClusterError, CoordinatorLost, Overloaded
from workflows.flow import ToolOutcome

FOLLOW_SECONDS = 10.0
"""How long one question for news waits at the coordinator."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before a lost panel is asked for again: a process is back after two, on a busy machine after ten."""


class RemotePanels:
    """All coordinators' typed face."""

    def __init__(self, coordinators: Sequence[Handle]) -> None:
        self._coordinators = coordinators

    async def ready(self) -> None:
        """Return when every coordinator answers."""
        async with translated(CoordinatorLost):
            await asyncio.gather(*(c.running.remote() for c in self._coordinators))

    async def close(self) -> None:
        """Have every coordinator send its last spans."""
        async with translated(CoordinatorLost):
            await asyncio.gather(*(c.close.remote() for c in self._coordinators))

    async def convene(self, order: PanelOrder) -> ToolOutcome:
        """Carry out one tool call.

        Cancelling an await does not cancel a Ray call, and nothing is cancelled for us behind the fast ingress:
        so whoever waits cancels. A coordinator that is away, or that finds a part away when it comes back, is asked again:
        it joins what is under way and reads what is done.
        """
        for pause in PAUSES:
            try:
                return await self._convene(order)
            except Overloaded:
                raise  # to be told at once: waiting here would fill the next queue
            except ClusterError:
                pass
            await asyncio.sleep(pause)
        return await self._convene(order)

    async def _convene(self, order: PanelOrder) -> ToolOutcome:
        coordinator = self._coordinators[shard(order.run_id, len(self._coordinators))]
        ref = coordinator.convene.remote(order)
        try:
            async with translated(CoordinatorLost):
                outcome: ToolOutcome = await ref
                return outcome
        except asyncio.CancelledError:
            ray.cancel(ref)
            raise

    async def follow(self, run_id: str, step_id: str) -> AsyncGenerator[str, None]:
        """How a panel is doing, line by line; ends with it, or early when its coordinator is lost."""
        coordinator = self._coordinators[shard(run_id, len(self._coordinators))]
        place, is_over = 0, False
        with suppress(ClusterError):
            while not is_over:
                ref = coordinator.told.remote(run_id, step_id, place, FOLLOW_SECONDS)
                async with translated(CoordinatorLost):
                    told: Told = await ref
                for line in told.lines:
                    yield line
                place, is_over = place + len(told.lines), told.is_over


def shard(run_id: str, shards: int) -> int:
    """The coordinator of a run: the same from every process."""
    return zlib.crc32(run_id.encode()) % shards
