"""The actor that credits branches, reached from wherever a run ends."""

from __future__ import annotations

from contextvars import Context

from actors.runs.errors import translated
from actors.runs.handles import Handle
from workflows.errors import ClusterError


class RemoteCredits:
    """Its typed face."""

    def __init__(self, actor: Handle) -> None:
        self._actor = actor

    def credit(self, run_id: str, traceparent: str) -> None:
        """Have a finished run credited, sometime soon; nobody waits for it."""
        # In an empty context: else Ray takes it for a child of the client's request and cancels it with that.
        Context().run(self._actor.credit.remote, run_id, traceparent)

    async def close(self) -> None:
        """Have it send its last spans."""
        async with translated(ClusterError):
            await self._actor.close.remote()
