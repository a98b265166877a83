"""Keeps enough lanes on every node that is alive: opens them, replaces lost ones, retires those that are too many.

Ray's SPREAD strategy misplaces actors that ask for no CPU, so each lane is pinned to its node by hard affinity,
and somebody has to notice new nodes: this actor. Lanes that need litellm are opened when a first workflow
needs them. How many there should be is decided in `actors.lane_sizing`.

A lane is listed once it answers. One that is retired is listed no more, finishes what it has, and ends.

Undecorated: `actors.runs` makes it a Ray actor. It does to lanes what its `Ground` can, so that only `actors.runs` speaks
to Ray.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Literal, Protocol

from actors.lane_sizing import bounds_of, wanted
from actors.orders import Load
from cluster.sizes import Sizes
from workflows.errors import ClusterError, LaneLost

log = logging.getLogger(__name__)

LaneKind = Literal["light", "litellm"]

RECONCILE_SECONDS = 2.0
LOAD_SECONDS = 2.0
"""How long a lane may take to say how busy it is; one that is late is taken for as busy as before."""
START_SECONDS = 60.0
"""How long the first who asks for lanes waits for them at most."""
CALM_SECONDS = 10.0
"""How long a node must have had a lane too many before one is retired."""
LEAVE_SECONDS = 5.0
"""How long a retired lane stays at least: coordinators may still know it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive."""

    node_id: str
    cores: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A lane's place: its actor's name and handle, its node, its number there."""

    name: str
    node_id: str
    number: int
    handle: Any = field(compare=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """All lanes of a kind that may be chosen.

    Attributes:
        version: changes whenever the lanes do.
        handles: of the actors, by name; None for somebody who knows this version.
        loads: how busy each was at the last look.
    """

    version: int
    handles: Mapping[str, Any] | None
    loads: Mapping[str, Load]


class Ground(Protocol):
    """Where lanes stand."""

    async def nodes(self) -> tuple[Node, ...]:
        """The nodes that are alive and have cores."""
        ...

    async def standing(self, kind: LaneKind) -> tuple[Seat, ...]:
        """The lanes that an earlier life of the supervisor opened."""
        ...

    def open(self, kind: LaneKind, node: Node, number: int) -> Seat:
        """Open a lane on a node; return at once."""
        ...

    async def load(self, seat: Seat) -> Load:
        """How busy a lane is. Raises `LaneLost`; waits for one that is starting."""
        ...

    async def end(self, seat: Seat) -> None:
        """End a lane that has nothing left to do."""
        ...


class Supervisor:
    """Knows every lane."""

    def __init__(self, connect: Callable[[], tuple[Ground, Sizes]]) -> None:
        self._ground, self._sizes = connect()
        self._kinds: dict[LaneKind, _Kind] = {}
        self._asking = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    async def lanes(self, kind: LaneKind, create: bool = True, known: int = 0) -> Listing:
        """All lanes of that kind, which `known` is the version of; the first who asks for a kind has it opened."""
        async with self._asking:  # those who ask first together all wait for the lanes to be there
            if create and kind not in self._kinds:
                self._kinds[kind] = _Kind(kind, self._ground, self._sizes)
                await self._kinds[kind].begin()
            if self._keeping is None:
                # In an empty context: Ray would cancel it together with the panel that asked first.
                loop = asyncio.get_running_loop()
                self._keeping = loop.create_task(self._keep(), context=Context())
        return self._kinds[kind].listing(known) if kind in self._kinds else Listing(0, {}, {})

    async def lost(self, kind: LaneKind) -> None:
        """Somebody lost a lane: look at once, and open another."""
        if kind in self._kinds:
            await self._kinds[kind].reconcile()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                for kind in tuple(self._kinds.values()):
                    await kind.reconcile()
            except Exception:  # the cluster's head may be away for a while; try again
                log.exception("could not look after the lanes")


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A lane that was retired `since` then, and had so many calls in flight at the last look."""

    since: float
    in_flight: int = 1


class _Kind:
    """The lanes of one kind."""

    def __init__(self, kind: LaneKind, ground: Ground, sizes: Sizes) -> None:
        self._kind: LaneKind = kind
        self._ground = ground
        self._sizes = sizes
        self._version = secrets.randbits(40)  # another one than in an earlier life of this actor
        self._next = 0
        self._starting: dict[Seat, asyncio.Task[None]] = {}
        self._loads: dict[Seat, Load] = {}
        self._retired: dict[Seat, _Leaving] = {}
        self._calm_since: dict[str, float] = {}
        self._turn = asyncio.Lock()

    def listing(self, known: int) -> Listing:
        """The lanes that answer and are not retired."""
        handles = {seat.name: seat.handle for seat in self._loads}
        loads = {seat.name: load for seat, load in self._loads.items()}
        return Listing(self._version, None if known == self._version else handles, loads)

    async def begin(self) -> None:
        """Take over the lanes that are there, open those that are missing, and wait for the first ones."""
        for seat in await self._ground.standing(self._kind):
            self._next = max(self._next, seat.number + 1)
            self._start(seat)
        await self._started()
        await self.reconcile()
        await self._started()

    async def reconcile(self) -> None:
        """Compare the lanes with the nodes and the load."""
        async with self._turn:
            alive = {node.node_id: node for node in await self._ground.nodes()}
            self._drop(seat for seat in self._loads if seat.node_id not in alive)
            await asyncio.gather(*(self._look_at(seat) for seat in (*self._loads, *self._retired)))
            for node in alive.values():
                self._fit(node, len(alive))
            await self._end_retired()

    def _fit(self, node: Node, nodes: int) -> None:
        """Open the lanes that a node lacks; retire one that it has had too many for a while."""
        seats = [seat for seat in self._loads if seat.node_id == node.node_id]
        count = len(seats) + sum(seat.node_id == node.node_id for seat in self._starting)
        bounds = bounds_of(self._sizes, node.cores, nodes)
        should = wanted([self._loads[seat] for seat in seats], bounds)
        for _ in range(should - count):
            self._start(self._ground.open(self._kind, node, self._next))
            self._next += 1
        if should >= count or len(seats) <= should:
            self._calm_since.pop(node.node_id, None)
        elif monotonic() - self._calm_since.setdefault(node.node_id, monotonic()) > CALM_SECONDS:
            del self._calm_since[node.node_id]
            newest = max(seats, key=lambda seat: seat.number)
            self._drop([newest])
            self._retired[newest] = _Leaving(monotonic())

    async def _started(self) -> None:
        if self._starting:
            await asyncio.wait(list(self._starting.values()), timeout=START_SECONDS)

    def _start(self, seat: Seat) -> None:
        self._starting[seat] = asyncio.get_running_loop().create_task(self._greet(seat), context=Context())

    async def _greet(self, seat: Seat) -> None:
        """List a lane as soon as it answers."""
        try:
            with suppress(ClusterError):
                self._loads[seat] = await self._ground.load(seat)
                self._version += 1
        finally:
            del self._starting[seat]

    async def _look_at(self, seat: Seat) -> None:
        with suppress(TimeoutError, ClusterError):
            try:
                async with asyncio.timeout(LOAD_SECONDS):
                    load = await self._ground.load(seat)
            except LaneLost:
                self._drop([seat])
                self._retired.pop(seat, None)
                raise
            if seat in self._loads:
                self._loads[seat] = load
            elif seat in self._retired:
                self._retired[seat] = replace(self._retired[seat], in_flight=load.in_flight)

    async def _end_retired(self) -> None:
        for seat, leaving in list(self._retired.items()):
            if not leaving.in_flight and monotonic() - leaving.since > LEAVE_SECONDS:
                del self._retired[seat]
                with suppress(ClusterError):
                    await self._ground.end(seat)

    def _drop(self, seats: Iterable[Seat]) -> None:
        for seat in tuple(seats):
            if self._loads.pop(seat, None) is not None:
                self._version += 1
