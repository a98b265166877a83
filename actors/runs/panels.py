"""Coordinators, reached from a virtual model: the run's id decides which one; cancelling the wait cancels it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

import ray

from actors.orders import PanelOrder
from actors.runs.errors import translated
from actors.runs.handles import Handle
from workflows.errors import CoordinatorLost
from workflows.flow import ToolOutcome


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
        so whoever waits cancels.
        """
        coordinator = self._coordinators[shard(order.run_id, len(self._coordinators))]
        ref = coordinator.convene.remote(order)
        try:
            async with translated(CoordinatorLost):
                outcome: ToolOutcome = await ref
                return outcome
        except asyncio.CancelledError:
            ray.cancel(ref)
            raise


def shard(run_id: str, shards: int) -> int:
    """The coordinator of a run: the same from every process."""
    return zlib.crc32(run_id.encode()) % shards
