"""Lanes as a coordinator sees them; the actors' ends are stood in for, since what is tested is their absence."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from actors.orders import Letter, Load, Mail
from actors.runs import lanes
from actors.runs.lanes import RemoteLanes
from actors.supervisor import Listing
from tests.actors.runs.test_wire import order
from workflows.errors import ClusterError, LaneLost, Overloaded


class Lane:
    """Knows one step of every run; takes calls and never answers, until it dies."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.asked = asyncio.Event()
        self.died = asyncio.Event()
        self.held = SimpleNamespace(remote=self._held)
        self.exchange = SimpleNamespace(remote=self._exchange)
        self.take = SimpleNamespace(remote=self._take)

    async def _held(self, run_id: str) -> tuple[str, ...]:
        return (f"{run_id}/step",)

    async def _take(self, letter: Letter) -> None:
        self.orders += [each.call.step_id for each in letter.orders]
        self.asked.set()

    async def _exchange(self, letter: Letter, _within: float) -> Mail:
        await self._take(letter)
        await self.died.wait()
        raise ActorDiedError


class Supervisor:
    """Answers with its lanes, or as a dead actor does."""

    def __init__(self, **loads: Load) -> None:
        self.away = False
        self.loads = loads or {"a": Load(0, 100, 0.0)}
        self.actors = {name: Lane() for name in self.loads}
        self.told_of_losses = 0
        self.lanes = SimpleNamespace(remote=self._lanes)
        self.lost = SimpleNamespace(remote=self._lost)

    async def _lanes(self, kind: str, _create: bool, _known: int) -> Listing:
        if self.away:
            raise ActorUnavailableError("away", None)
        return Listing(1, self.actors, self.loads) if kind == "light" else Listing(0, {}, {})

    def _lost(self, _kind: str) -> None:
        self.told_of_losses += 1


async def test_lanes_that_are_known_are_used_while_the_supervisor_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(lanes, "KINDS", ("light",))
    supervisor = Supervisor()
    seen = RemoteLanes(supervisor)
    assert await seen.rejoin("one") == {"one/step"}
    supervisor.away = True
    assert await seen.rejoin("two") == {"two/step"}


async def test_a_coordinator_that_knows_no_lanes_yet_does_not_take_a_call_for_lost_while_the_supervisor_is_away() -> (
    None
):
    supervisor = Supervisor()
    supervisor.away = True
    with pytest.raises(ClusterError):
        await RemoteLanes(supervisor).rejoin("one")


async def test_a_call_whose_lane_died_goes_to_another_though_the_dead_one_is_still_listed() -> None:
    supervisor = Supervisor(a=Load(0, 100, 0.0), b=Load(50, 100, 0.0))
    seen = RemoteLanes(supervisor)
    pending = await seen.order(order("review.1/x"))
    supervisor.actors["a"].died.set()
    with pytest.raises(LaneLost):
        await pending.result()
    assert supervisor.told_of_losses == 1
    again = await seen.order(order("review.1/x#2"))
    async with asyncio.timeout(60):
        await supervisor.actors["b"].asked.wait()
    assert supervisor.actors["b"].orders == ["review.1/x#2"]
    again.cancel()


async def test_calls_are_refused_when_no_lane_has_room() -> None:
    seen = RemoteLanes(Supervisor(a=Load(2, 3, 0.0)))
    await seen.check_room(1)
    with pytest.raises(Overloaded):
        await seen.check_room(2)
    last = await seen.order(order("review.1/x"))
    with pytest.raises(Overloaded):
        await seen.order(order("review.1/y"))
    last.cancel()
    await asyncio.sleep(0)
    await seen.order(order("review.1/y"))
