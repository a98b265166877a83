"""The coordinator: an async actor that runs panels, one per call of a fusion tool.

Runs are sharded over coordinators by their id. A coordinator owns its runs' branch calls and keeps their leases;
when it is restarted in the middle of a panel, Ray calls `convene` again, and it reads the journal first: what is
finished is not done again, what is in flight on a lane is joined.

Undecorated: `actors.runs` makes it a Ray actor with the numbers of `cluster.roles`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

from actors.orders import PanelOrder
from actors.panel_run import Lanes, PanelRun, Resumption
from actors.recorder import Journal, Recorder
from actors.run_log import RunLog
from actors.run_metrics import RunMeter
from actors.telling import Stories, Told
from actors.watched import Watched
from cluster import logs, metrics, observability
from workflows.events import Event
from workflows.flow import ToolOutcome
from workflows.policy import HedgeAllowance
from workflows.resume import earlier_lives
from workflows.spec import FusionToolSpec
from workflows.tariff import Tariff

LEASE_SECONDS = 10.0


class History(Journal, Protocol):
    """A journal that can be read, too."""

    async def events(self, run_id: str) -> tuple[Event, ...]:
        """Everything that is known of a run."""


class LeasedLanes(Lanes, Protocol):
    """Lanes whose calls live on while their lease is renewed."""

    def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Keep these runs' calls alive."""

    def release(self, run_id: str) -> None:
        """Forget a run that is over."""

    async def check_room(self, calls: int) -> None:
        """Return when so many more calls may be ordered. Raises `Overloaded`."""

    async def rejoin(self, run_id: str) -> frozenset[str]:
        """Find the calls that were ordered before, so that they are joined and not repeated; return their steps."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a coordinator works with."""

    journal: History
    lanes: LeasedLanes
    restarted: bool


class Coordinator:
    """Runs panels."""

    def __init__(self, connect: Callable[[], Parts]) -> None:
        observability.setup("coordinator")
        self._parts = connect()
        self._allowance = HedgeAllowance()
        self._stories = Stories()
        self._running: dict[str, int] = {}
        self._panels: dict[tuple[str, str], asyncio.Task[ToolOutcome]] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def convene(self, order: PanelOrder) -> ToolOutcome:
        """Carry out one call of a mounted tool, or join it when it is under way here.

        One that would need more calls than the lanes have room for is not begun: that is `Overloaded`.

        Cancelling it stops the branches and closes their sockets. A caller that dies says nothing: the panel goes on,
        and the run's next life joins it or finds what it came to.
        """
        key = (order.run_id, order.use.step_id)
        panel = self._panels.get(key)
        if panel is None:
            # In an empty context: what Ray takes for the caller's children would end with the caller.
            loop = asyncio.get_running_loop()
            panel = self._panels[key] = loop.create_task(self._carry_out(order), context=Context())
            panel.add_done_callback(lambda _: self._panels.pop(key, None))
        try:
            return await asyncio.shield(panel)
        except asyncio.CancelledError:
            panel.cancel()
            await asyncio.wait([panel])
            raise

    async def told(self, run_id: str, step_id: str, place: int, within: float) -> Told:
        """How a panel is doing; see `Stories.after`."""
        return await self._stories.after(run_id, step_id, place, within)

    async def running(self) -> int:
        """How many runs have a panel under way here."""
        return len(self._running)

    async def close(self) -> None:
        """Send the last spans."""
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing
        await asyncio.to_thread(observability.flush)

    async def _carry_out(self, order: PanelOrder) -> ToolOutcome:
        if order.life == 1:
            await self._parts.lanes.check_room(_calls(order))
        async with self._leased(order.run_id):
            earlier = await self._earlier(order)
            tariff = Tariff(order.workflow.models, order.facts)
            logs.about(run_id=order.run_id, step_id=order.use.step_id, traceparent=order.traceparent)
            meter, lines = RunMeter(order.workflow, metrics.record), RunLog(order.workflow.name)
            with self._stories.told(order, self._parts.journal) as journal:
                watched = Watched(journal, meter.see, lines.see)
                recorder = Recorder(watched, order.run_id, tariff, order.life)
                return await PanelRun(order, self._parts.lanes, recorder, earlier, self._allowance).run()

    async def _earlier(self, order: PanelOrder) -> Resumption:
        """What an earlier life of this actor or of the run left; first lives need not ask."""
        if order.life == 1 and not self._parts.restarted:
            return Resumption()
        held = await self._parts.lanes.rejoin(order.run_id)
        return Resumption(earlier_lives(await self._parts.journal.events(order.run_id)), held)

    @asynccontextmanager
    async def _leased(self, run_id: str) -> AsyncIterator[None]:
        if self._renewing is None or self._renewing.done():
            # In an empty context: Ray would cancel the renewals together with the run that came first.
            loop = asyncio.get_running_loop()
            self._renewing = loop.create_task(self._renew(), context=Context())
        self._running[run_id] = self._running.get(run_id, 0) + 1
        try:
            yield
        finally:
            self._running[run_id] -= 1
            if not self._running[run_id]:
                del self._running[run_id]
                self._parts.lanes.release(run_id)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            if self._running:
                self._parts.lanes.renew(tuple(self._running), LEASE_SECONDS)


def _calls(order: PanelOrder) -> int:
    """How many calls a panel begins with."""
    tool = order.workflow.tools[order.use.tool]
    return len(tool.branches) if isinstance(tool, FusionToolSpec) else 1
