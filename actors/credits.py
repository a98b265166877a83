"""An actor that works out, after the answer, what each branch of a run contributed, and puts it into the journal.

It has a process of its own at the lowest priority, because it costs tens of milliseconds of CPU for a long run and
nobody waits for it. A few runs at a time; a run whose contents are not in the journal has nothing to work with.

Undecorated: `actors.runs` makes it a Ray actor with the numbers of `cluster.roles`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Protocol

from actors import spans
from cluster import observability
from workflows.crediting import contributions
from workflows.events import Event, PanelCredited
from workflows.replay import run_view

TOGETHER = 16
"""Runs that are read and stored at once."""


class History(Protocol):
    """The journal, as far as this actor needs it."""

    async def stories(self, run_ids: Sequence[str]) -> Mapping[str, tuple[Event, ...]]:
        """Everything that is known of these runs."""
        ...

    async def append(self, events: Sequence[Event]) -> None:
        """Store events; return when they are safe."""
        ...


class Credits:
    """Credits runs, `TOGETHER` of them at a time."""

    def __init__(self, journal: Callable[[], History]) -> None:
        os.nice(19)
        observability.setup("credits")
        self._journal = journal()
        self._turn = asyncio.Lock()

    async def credit(self, runs: Sequence[tuple[str, str]]) -> None:
        """Work out the contributions of finished runs' branches and store them; each with the context of its span."""
        async with self._turn:
            for place in range(0, len(runs), TOGETHER):
                await self._credit(dict(runs[place : place + TOGETHER]))

    async def close(self) -> None:
        """Send the last spans."""
        await asyncio.to_thread(observability.flush)

    async def _credit(self, traceparents: Mapping[str, str]) -> None:
        stories = await self._journal.stories(tuple(traceparents))
        found = list[PanelCredited]()
        for run_id, events in stories.items():
            began = time()
            of_run = await asyncio.to_thread(_credited, run_id, events)
            for credited in of_run:
                spans.credited(run_id, credited.step_id, credited.attribution, traceparents[run_id], began)
            found += of_run
        if found:
            await self._journal.append(found)


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
