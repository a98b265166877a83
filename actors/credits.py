"""An actor that works out, after the answer, what each branch of a run contributed, and puts it into the journal.

It has a process of its own at the lowest priority, because it costs tens of milliseconds of CPU for a long run and
nobody waits for it. One run at a time; a run whose contents are not in the journal has nothing to work with.

Undecorated: `actors.runs` makes it a Ray actor with the numbers of `cluster.roles`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from time import time
from typing import Protocol

from actors import spans
from cluster import observability
from workflows.crediting import contributions
from workflows.events import Event, PanelCredited
from workflows.replay import run_view


class History(Protocol):
    """The journal, as far as this actor needs it."""

    async def events(self, run_id: str) -> tuple[Event, ...]:
        """Everything that is known of a run."""
        ...

    async def append(self, events: Sequence[Event]) -> None:
        """Store events; return when they are safe."""
        ...


class Credits:
    """Credits runs, one after the other."""

    def __init__(self, journal: Callable[[], History]) -> None:
        os.nice(19)
        observability.setup("credits")
        self._journal = journal()
        self._turn = asyncio.Lock()

    async def credit(self, run_id: str, traceparent: str) -> None:
        """Work out the contributions of a finished run's branches and store them with it."""
        async with self._turn:
            began = time()
            events = await self._journal.events(run_id)
            found = await asyncio.to_thread(_credited, run_id, events)
            if found:
                await self._journal.append(found)
            for credited in found:
                spans.credited(run_id, credited.step_id, credited.attribution, traceparent, began)

    async def close(self) -> None:
        """Send the last spans."""
        await asyncio.to_thread(observability.flush)


def _credited(run_id: str, events: Sequence[Event]) -> list[PanelCredited]:
    return [
        PanelCredited(
            id=f"{run_id}:{step_id}:credited",
            run_id=run_id,
            at=time(),
            step_id=step_id,
            attribution=attribution.to_json(),
        )
        for step_id, attribution in contributions(run_view(events))
    ]
