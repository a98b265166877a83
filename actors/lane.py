"""A lane: an async actor that makes LLM calls, thousands at once, each at most once.

One lane per core and node. A call that waits costs a few kilobytes here, where a Ray task of its own would cost
a process. litellm has lanes of its own, because importing it costs 190 MB.

Undecorated: `actors.runs` makes it a Ray actor with the numbers of `cluster.roles`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from actors.flights import Flights, Stopped
from actors.limited import perform_in_turn
from actors.models.factory import ModelFactory, load_litellm
from actors.orders import CallOrder
from actors.quotas import Desk
from actors.turnstile import Turnstile
from cluster import metrics, observability
from cluster.instruments import CALLS_ACTIVE
from cluster.settings import secret
from workflows.flow import Outcome

SWEEP_SECONDS = 1.0


class Lane:
    """Makes calls for coordinators."""

    def __init__(
        self, embedded_url: Callable[[], Awaitable[str]], desk: Callable[[], Desk], *, litellm: bool = False
    ) -> None:
        observability.setup("lane")
        metrics.watch(CALLS_ACTIVE, lambda: len(self._flights), {})
        if litellm:
            load_litellm()
        self._models = ModelFactory(secrets=secret, embedded_url=embedded_url)
        self._turnstile = Turnstile(desk)
        self._flights = Flights(self._perform)
        self._sweeper: asyncio.Task[None] | None = None

    async def call(self, order: CallOrder) -> Outcome:
        """Make one call, or join it if it is already under way here."""
        if self._sweeper is None:
            self._sweeper = asyncio.ensure_future(self._sweep())
        return await self._flights.join(order)

    async def stop(self, run_id: str, step_ids: tuple[str, ...], reason: str) -> None:
        """Stop calls; their waiters get a `Cancelled` outcome."""
        self._flights.stop(run_id, step_ids, reason)

    async def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Keep the calls of these runs alive for another lease."""
        self._flights.renew(run_ids, lease)

    async def release(self, run_id: str) -> None:
        """Forget a run whose outcomes are in the journal."""
        self._flights.release(run_id)

    async def held(self, run_id: str) -> tuple[str, ...]:
        """The steps of a run that this lane knows."""
        return self._flights.held(run_id)

    async def in_flight(self) -> int:
        """How many calls are under way."""
        return len(self._flights)

    async def close(self) -> None:
        """Stop everything, close the connections, send the last spans and metrics."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        await self._flights.stop_all("shutdown")
        await self._models.aclose()
        await asyncio.to_thread(observability.flush)

    async def _perform(self, order: CallOrder, stopped: Stopped) -> Outcome:
        model = self._models.model(order.model)
        return await perform_in_turn(model, order, stopped, self._turnstile)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._flights.sweep()
