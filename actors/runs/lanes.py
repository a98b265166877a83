"""Lanes, reached from a coordinator: choose one, have it make a call, keep its lease, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from time import monotonic

from actors.collect import Pending
from actors.lane_choice import LaneChoice
from actors.orders import CallOrder
from actors.runs.errors import translated
from actors.runs.handles import Handle
from actors.runs.tasks import AsTask
from actors.runs.wire import Wire
from actors.supervisor import LaneKind, Listing
from workflows.errors import ClusterError, Overloaded
from workflows.flow import Outcome

FRESH_SECONDS = 2.0
"""How old the list of lanes may be."""
STALE_SECONDS = 10.0
"""How old a list may be to be used while a new one is on its way: after a pause the load may be another."""
LIST_SECONDS = 1.0
"""How long the supervisor may take for its list where an older one is known."""
SHUNNED_SECONDS = 10.0
"""How long a lane that was lost is not used, in case that it is still listed."""
REJOIN_SECONDS = 2.0
"""How long a lane may take to say what it holds."""
KINDS: tuple[LaneKind, ...] = ("light", "litellm")


class OnLane:
    """A call that a lane makes."""

    def __init__(self, wire: Wire, order: CallOrder, landed: Callable[[], None]) -> None:
        self._wire = wire
        self._order = order
        self._outcome = wire.order(order)
        self._outcome.add_done_callback(lambda _: landed())

    async def result(self) -> Outcome:
        """The outcome; `LaneLost` when the lane died."""
        return await self._outcome

    def stop(self, reason: str) -> None:
        """Ask the lane to stop the call and report what it used."""
        self._wire.stop(self._order, reason)

    def cancel(self) -> None:
        """Give the call up; the lane closes its socket."""
        self._outcome.cancel()
        self._wire.give_up(self._order)


class RemoteLanes:
    """All lanes, as one process that orders calls sees them."""

    def __init__(self, supervisor: Handle) -> None:
        self._kinds = {kind: _Lanes(kind, supervisor) for kind in KINDS}

    async def order(self, order: CallOrder) -> Pending:
        """Have a call made: on the least busy lane, or as a task when it declares resources.

        Raises:
            Overloaded: no lane has room.
        """
        if order.call.resources:
            return AsTask(order)
        return await self._kinds["litellm" if order.model.kind == "litellm" else "light"].order(order)

    async def check_room(self, calls: int) -> None:
        """Return when so many more calls may be ordered. Raises `Overloaded`."""
        await self._kinds["light"].check_room(calls)

    async def rejoin(self, run_id: str) -> frozenset[str]:
        """Learn which lanes hold calls of a run from before a restart, so that they are joined there."""
        held = await asyncio.gather(*(lanes.rejoin(run_id) for lanes in self._kinds.values()))
        return frozenset[str]().union(*held)

    def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Keep these runs' calls alive."""
        for lanes in self._kinds.values():
            lanes.renew(run_ids, lease)

    def release(self, run_id: str) -> None:
        """Forget a run that is over."""
        for lanes in self._kinds.values():
            lanes.release(run_id)


class _Lanes:
    """The lanes of one kind."""

    def __init__(self, kind: LaneKind, supervisor: Handle) -> None:
        self._kind = kind
        self._supervisor = supervisor
        self._version = 0
        self._listed_at = float("-inf")
        self._listing: asyncio.Task[None] | None = None
        self._choice = LaneChoice()
        self._wires: dict[str, Wire] = {}
        self._homes: dict[str, dict[str, str]] = {}
        self._used: dict[str, set[str]] = {}
        self._last: dict[str, str] = {}
        self._lost: dict[str, float] = {}

    async def order(self, order: CallOrder) -> Pending:
        await self._list()
        home = self._homes.get(order.run_id, {}).get(order.call.step_id)
        name = home if home in self._wires else self._choice.choose(self._last.get(order.run_id))
        if name is None:
            if self._choice.is_empty:
                raise ClusterError("no lane is up to make calls; is the cluster starting or out of nodes?")
            raise Overloaded
        self._last[order.run_id] = name
        self._used.setdefault(order.run_id, set()).add(name)
        self._choice.take_off(name)
        return OnLane(self._wires[name], order, lambda: self._choice.land(name))

    async def check_room(self, calls: int) -> None:
        await self._list()
        if not self._choice.is_empty and self._choice.room < calls:
            raise Overloaded

    async def rejoin(self, run_id: str) -> tuple[str, ...]:
        await self._list(create=False)
        homes = self._homes.setdefault(run_id, {})

        async def ask(name: str, wire: Wire) -> None:
            # A lane that is away holds nothing that could be joined.
            with suppress(ClusterError, TimeoutError):
                async with asyncio.timeout(REJOIN_SECONDS):
                    homes.update(dict.fromkeys(await wire.held(run_id), name))

        await asyncio.gather(*(ask(name, wire) for name, wire in self._wires.items()))
        self._used.setdefault(run_id, set()).update(homes.values())
        return tuple(homes)

    def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        for wire in self._wires.values():
            wire.renew(run_ids, lease)

    def release(self, run_id: str) -> None:
        self._homes.pop(run_id, None)
        self._last.pop(run_id, None)
        for name in self._used.pop(run_id, ()):
            if name in self._wires:
                self._wires[name].release(run_id)

    async def _list(self, *, create: bool = True) -> None:
        """See to it that the list of lanes is known; an old one is used while a new one is on its way."""
        age = monotonic() - self._listed_at
        if self._listing is None and (age > FRESH_SECONDS or self._choice.is_empty):
            self._ask(create=create)
        if self._listing is not None and (age > STALE_SECONDS or self._choice.is_empty):
            await asyncio.shield(self._listing)
            if create and self._choice.is_empty:  # whoever asked before us did not want any to be opened
                await asyncio.shield(self._ask(create=True))

    def _ask(self, *, create: bool) -> asyncio.Task[None]:
        # In an empty context: it is not part of the run that happens to need it first.
        loop = asyncio.get_running_loop()
        self._listing = loop.create_task(self._listed(create=create), context=Context())
        return self._listing

    async def _listed(self, *, create: bool) -> None:
        patience = None if self._choice.is_empty else LIST_SECONDS
        try:
            async with asyncio.timeout(patience), translated(ClusterError):
                listing: Listing = await self._supervisor.lanes.remote(self._kind, create, self._version)
        except (ClusterError, TimeoutError):
            # A supervisor that is away (its node, or the cluster's head) takes no lane with it.
            if self._choice.is_empty:
                raise
        else:
            self._hear(listing)
        finally:
            self._listed_at = monotonic()
            self._listing = None

    def _hear(self, listing: Listing) -> None:
        """Take over what the supervisor says. A wire to a lane that is retired stays while it is used."""
        self._version = listing.version
        for name, lane in (listing.handles or {}).items():
            if name not in self._wires:
                self._wires[name] = Wire(lane, partial(self._lose, name))
        for name in [
            name for name, wire in self._wires.items() if name not in listing.loads and wire.is_idle
        ]:
            del self._wires[name]
        long_ago = monotonic() - SHUNNED_SECONDS
        self._lost = {name: at for name, at in self._lost.items() if at > long_ago}
        known = {name: load for name, load in listing.loads.items() if name in self._wires}
        self._choice.listed({name: load for name, load in known.items() if name not in self._lost})

    def _lose(self, name: str) -> None:
        """A lane is gone: its calls go elsewhere at once, and the supervisor opens another."""
        self._choice.lose(name)
        del self._wires[name]
        self._lost[name] = monotonic()
        self._version = 0  # one that was only out of reach comes back with its handle
        self._supervisor.lost.remote(self._kind)
