"""The actor that credits branches, reached from wherever a run ends."""

from __future__ import annotations

import asyncio
from contextvars import Context

from actors.runs.errors import translated
from actors.runs.handles import Handle
from workflows.errors import ClusterError

GATHER_SECONDS = 0.5
"""How long finished runs of one process come together, as reading and storing cost more for each run alone."""


class RemoteCredits:
    """Its typed face."""

    def __init__(self, actor: Handle) -> None:
        self._actor = actor
        self._waiting: list[tuple[str, str]] = []

    def credit(self, run_id: str, traceparent: str) -> None:
        """Have a finished run credited, sometime soon; nobody waits for it."""
        self._waiting.append((run_id, traceparent))
        if len(self._waiting) == 1:
            # In an empty context: else Ray takes it for a child of the client's request and cancels it with that.
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell, context=Context())

    def _tell(self) -> None:
        runs, self._waiting = self._waiting, []
        self._actor.credit.remote(runs)

    async def close(self) -> None:
        """Have it send its last spans."""
        async with translated(ClusterError):
            await self._actor.close.remote()
