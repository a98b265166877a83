"""Lanes come and go with nodes and load; the ground that they stand on is stood in for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from actors import supervisor
from actors.orders import Load
from actors.supervisor import LaneKind, Node, Seat, Supervisor
from cluster.sizes import Sizes
from workflows.errors import LaneLost

ONE, TWO = Node("node-one", 4), Node("node-two", 4)


class Ground:
    """Nodes with lanes on them, whose load is what a test says."""

    def __init__(self, *alive: Node) -> None:
        self.alive = alive
        self.lanes: dict[str, Seat] = {}
        self.in_flight: dict[str, int] = {}
        self.ended: list[str] = []

    async def nodes(self) -> tuple[Node, ...]:
        return self.alive

    async def standing(self, kind: LaneKind) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.lanes.values() if seat.name.startswith(kind))

    def open(self, kind: LaneKind, node: Node, number: int) -> Seat:
        seat = Seat(f"{kind}-{number}", node.node_id, number, handle=number)
        self.lanes[seat.name] = seat
        return seat

    async def load(self, seat: Seat) -> Load:
        if seat.name not in self.lanes:
            raise LaneLost
        return Load(self.in_flight.get(seat.name, 0), 5000, 0.0)

    async def end(self, seat: Seat) -> None:
        self.ended.append(seat.name)
        del self.lanes[seat.name]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "CALM_SECONDS", 0.0)
    monkeypatch.setattr(supervisor, "LEAVE_SECONDS", 0.0)


def watched(ground: Ground, sizes: Sizes = Sizes()) -> Supervisor:  # noqa: B008  # frozen
    return Supervisor(lambda: (ground, sizes))


async def listed(lanes: Supervisor, names: set[str]) -> Mapping[str, Load]:
    """Return the listing's loads once it has exactly these lanes."""
    async with asyncio.timeout(60):
        while (listing := await lanes.lanes("light")).loads.keys() != names:
            await lanes.lost("light")
    return listing.loads


async def test_the_first_who_asks_gets_lanes_that_answer() -> None:
    ground = Ground(ONE)
    listing = await watched(ground).lanes("light")
    assert listing.handles == {"light-0": 0, "light-1": 1}
    assert listing.loads.keys() == {"light-0", "light-1"}


async def test_who_knows_the_lanes_is_told_their_loads_only() -> None:
    lanes = watched(Ground(ONE))
    first = await lanes.lanes("light")
    again = await lanes.lanes("light", known=first.version)
    assert again.handles is None
    assert again.loads.keys() == first.loads.keys()


async def test_nobody_opens_lanes_of_a_kind_that_is_only_asked_about() -> None:
    ground = Ground(ONE)
    assert (await watched(ground).lanes("litellm", create=False)).loads == {}
    assert not ground.lanes


async def test_a_new_node_gets_lanes_and_those_of_a_lost_node_are_forgotten() -> None:
    ground = Ground(ONE)
    lanes = watched(ground)
    await listed(lanes, {"light-0", "light-1"})
    ground.alive = (ONE, TWO)
    await listed(lanes, {"light-0", "light-2"})
    ground.alive = (TWO,)
    await listed(lanes, {"light-2", "light-3"})


async def test_a_lost_lane_is_replaced_as_soon_as_somebody_says_so() -> None:
    ground = Ground(ONE)
    lanes = watched(ground)
    await listed(lanes, {"light-0", "light-1"})
    del ground.lanes["light-0"]
    await lanes.lost("light")
    await listed(lanes, {"light-1", "light-2"})


async def test_lanes_grow_with_the_load_and_shrink_again_when_it_is_over() -> None:
    ground = Ground(ONE)
    lanes = watched(ground, Sizes(lane_calls=100))
    await listed(lanes, {"light-0", "light-1"})
    ground.in_flight = {"light-0": 150, "light-1": 150}
    await listed(lanes, {"light-0", "light-1", "light-2"})
    ground.in_flight = {"light-2": 1}
    await listed(lanes, {"light-0", "light-1"})
    await lanes.lost("light")
    assert not ground.ended, "it still has a call"
    ground.in_flight = {}
    async with asyncio.timeout(60):
        while not ground.ended:
            await lanes.lost("light")
    assert ground.ended == ["light-2"]


async def test_a_supervisor_that_was_restarted_takes_over_the_lanes_that_are_there() -> None:
    ground = Ground(ONE)
    await watched(ground).lanes("light")
    again = await watched(ground).lanes("light")
    assert again.loads.keys() == {"light-0", "light-1"}
