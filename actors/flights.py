"""Calls in flight, each made at most once: a single-flight map with leases.

A flight is keyed by (run, step). Whoever orders the same call again joins it: after a coordinator was restarted
it finds its calls still running, or their outcomes, and nothing is paid twice. A flight that nobody renews ends
with its lease, so a coordinator that is gone for good does not leave calls behind.

Knows nothing about Ray: `actors.lane` hosts it in an actor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

from actors.orders import CallOrder
from workflows.flow import Cancelled, Outcome

Key = tuple[str, str]
Perform = Callable[[CallOrder, "Stopped"], Awaitable[Outcome]]

GIVEN_UP = frozenset({"lease", "cancelled"})
"""Reasons that say nothing about the call: whoever wanted it is gone."""

RETAIN_SECONDS = 120.0
"""How long an outcome is kept for somebody who asks again."""


@dataclass(slots=True)
class Stopped:
    """Why a flight was stopped; read by whoever performs it when the cancellation arrives."""

    reason: str = "cancelled"


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[Outcome]
    stopped: Stopped
    lease_until: float
    landed_at: float = field(default=0.0)
    is_given_up: bool = False


class Flights:
    """The calls of one process. Not thread-safe: lives on one event loop."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._flights: dict[Key, _Flight] = {}

    def __len__(self) -> int:
        return sum(not flight.task.done() for flight in self._flights.values())

    async def join(self, order: CallOrder) -> Outcome:
        """Make the call, or join it if it is under way, and return its outcome.

        Cancelling the caller stops the flight: a cancellation is a decision, whereas a caller that dies says
        nothing and the flight goes on under its lease.
        """
        key = (order.run_id, order.call.step_id)
        while (flight := self._flights.get(key)) is not None and flight.is_given_up:
            # Nobody wanted it any more; whoever comes back wants the call made, not that record of it.
            await asyncio.wait([flight.task])
            if self._flights.get(key) is flight:
                del self._flights[key]
        if flight is None:
            flight = self._take_off(key, order)
        flight.lease_until = monotonic() + order.lease
        try:
            return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if flight.task.cancelled() and task is not None and not task.cancelling():
                # Stopped before its first step: nothing was sent, and there is nobody else to say so.
                return Cancelled(order.call.step_id, flight.stopped.reason, 0.0, model=order.call.model)
            self._stop(flight, "cancelled")
            raise

    def stop(self, run_id: str, step_ids: tuple[str, ...], reason: str) -> None:
        """Stop these flights; those who wait for them get a `Cancelled` outcome with that reason."""
        for step_id in step_ids:
            if flight := self._flights.get((run_id, step_id)):
                self._stop(flight, reason)

    def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Extend the lease of every flight of these runs."""
        until, renewed = monotonic() + lease, set(run_ids)
        for (run_id, _), flight in self._flights.items():
            if run_id in renewed:
                flight.lease_until = until

    def release(self, run_id: str) -> None:
        """Forget a run whose outcomes are safely in the journal."""
        for key in [key for key, flight in self._flights.items() if key[0] == run_id and flight.task.done()]:
            del self._flights[key]

    def held(self, run_id: str) -> tuple[str, ...]:
        """The steps of a run that fly or have landed here."""
        return tuple(step_id for run, step_id in self._flights if run == run_id)

    def sweep(self) -> None:
        """End flights whose lease is over and forget outcomes that nobody asked for. Call it every second."""
        now = monotonic()
        for key, flight in list(self._flights.items()):
            if not flight.task.done():
                if now > flight.lease_until:
                    self._stop(flight, "lease")
            elif now > flight.landed_at + RETAIN_SECONDS:
                del self._flights[key]

    async def stop_all(self, reason: str) -> None:
        """Stop everything and wait until the sockets are closed."""
        for flight in self._flights.values():
            self._stop(flight, reason)
        await asyncio.gather(*(flight.task for flight in self._flights.values()), return_exceptions=True)

    def _take_off(self, key: Key, order: CallOrder) -> _Flight:
        stopped = Stopped()
        task = asyncio.ensure_future(self._perform(order, stopped))
        flight = self._flights[key] = _Flight(task, stopped, monotonic() + order.lease)
        task.add_done_callback(lambda _: setattr(flight, "landed_at", monotonic()))
        return flight

    def _stop(self, flight: _Flight, reason: str) -> None:
        if not flight.task.done():
            flight.stopped.reason = reason
            flight.is_given_up = reason in GIVEN_UP
            flight.task.cancel()
