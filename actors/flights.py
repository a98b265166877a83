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
        self._runs: dict[str, dict[str, _Flight]] = {}
        self._under_way = 0

    def __len__(self) -> int:
        """How many calls are under way."""
        return self._under_way

    async def join(self, order: CallOrder) -> Outcome:
        """Make the call, or join it if it is under way, and return its outcome.

        Cancelling the caller stops the flight: a cancellation is a decision, whereas a caller that dies says
        nothing and the flight goes on under its lease.
        """
        step_id = order.call.step_id
        flights = self._runs.setdefault(order.run_id, {})
        while (flight := flights.get(step_id)) is not None and flight.is_given_up:
            # Nobody wanted it any more; whoever comes back wants the call made, not that record of it.
            await asyncio.wait([flight.task])
            flights = self._runs.setdefault(order.run_id, {})
            if flights.get(step_id) is flight:
                del flights[step_id]
        if flight is None:
            flight = flights[step_id] = self._take_off(order)
        flight.lease_until = monotonic() + order.lease
        try:
            return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if flight.task.cancelled() and task is not None and not task.cancelling():
                # Stopped before its first step: nothing was sent, and there is nobody else to say so.
                return Cancelled(step_id, flight.stopped.reason, 0.0, model=order.call.model)
            self._stop(flight, "cancelled")
            raise

    def stop(self, run_id: str, step_ids: tuple[str, ...], reason: str) -> None:
        """Stop these flights; those who wait for them get a `Cancelled` outcome with that reason."""
        flights = self._runs.get(run_id, {})
        for step_id in step_ids:
            if flight := flights.get(step_id):
                self._stop(flight, reason)

    def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Extend the lease of every flight of these runs."""
        until = monotonic() + lease
        for run_id in run_ids:
            for flight in self._runs.get(run_id, {}).values():
                flight.lease_until = until

    def release(self, run_id: str) -> None:
        """Forget a run whose outcomes are safely in the journal."""
        self._forget(run_id, lambda flight: flight.task.done())

    def knows(self, order: CallOrder) -> bool:
        """Whether this call flies or has landed here."""
        return order.call.step_id in self._runs.get(order.run_id, ())

    def held(self, run_id: str) -> tuple[str, ...]:
        """The steps of a run that fly or have landed here."""
        return tuple(self._runs.get(run_id, ()))

    def sweep(self) -> None:
        """End flights whose lease is over and forget outcomes that nobody asked for. Call it every second."""
        now = monotonic()
        for run_id, flights in list(self._runs.items()):
            for flight in flights.values():
                if now > flight.lease_until:
                    self._stop(flight, "lease")
            self._forget(
                run_id, lambda flight: flight.task.done() and now > flight.landed_at + RETAIN_SECONDS
            )

    async def stop_all(self, reason: str) -> None:
        """Stop everything and wait until the sockets are closed."""
        every = [flight for flights in self._runs.values() for flight in flights.values()]
        for flight in every:
            self._stop(flight, reason)
        await asyncio.gather(*(flight.task for flight in every), return_exceptions=True)

    def _take_off(self, order: CallOrder) -> _Flight:
        stopped = Stopped()
        task = asyncio.ensure_future(self._perform(order, stopped))
        flight = _Flight(task, stopped, monotonic() + order.lease)
        self._under_way += 1
        task.add_done_callback(lambda _: self._land(flight))
        return flight

    def _land(self, flight: _Flight) -> None:
        self._under_way -= 1
        flight.landed_at = monotonic()

    def _forget(self, run_id: str, over: Callable[[_Flight], bool]) -> None:
        flights = self._runs.get(run_id, {})
        for step_id in [step_id for step_id, flight in flights.items() if over(flight)]:
            del flights[step_id]
        if not flights:
            self._runs.pop(run_id, None)

    def _stop(self, flight: _Flight, reason: str) -> None:
        if not flight.task.done():
            flight.stopped.reason = reason
            flight.is_given_up = reason in GIVEN_UP
            flight.task.cancel()
