"""The wire to a lane. The lane is a real one on this event loop; what Ray does between them is stood in for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from actors.lane import Lane
from actors.orders import CallOrder, Letter
from actors.quotas import Desk
from actors.runs import wire as wire_module
from actors.runs.wire import Wire
from workflows.errors import LaneLost
from workflows.flow import Answered, Call, Cancelled
from workflows.messages import ChatRequest, Message
from workflows.spec import ModelSpec

SCRIPT: list[dict[str, object]] = [
    {"match": {"contains": "slow"}, "hang": True},
    {"answer": "Fine."},
]
MODEL = ModelSpec(provider="scripted", script=SCRIPT)


def order(step_id: str, prompt: str = "fast") -> CallOrder:
    request = ChatRequest((Message.of("user", prompt),))
    return CallOrder("run_1", Call(step_id, "review.1", "branch", step_id, "a", request), MODEL, lease=600.0)


async def _no_url() -> str:
    raise AssertionError("no embedded model here")


def _no_desk() -> Desk:
    raise AssertionError("no limits here")


class Distant:
    """A lane at the other end of Ray: every method begins at once and is answered later, or the process is dead."""

    def __init__(self) -> None:
        self.lane = Lane(_no_url, _no_desk, most=3)
        self.letters: list[Letter] = []
        self.trouble: list[Exception] = []
        self.exchange = SimpleNamespace(remote=self._exchange)
        self.take = SimpleNamespace(remote=self._take)
        self.held = SimpleNamespace(remote=lambda *given: self._begun(self.lane.held, *given))
        self.renew = SimpleNamespace(remote=lambda *given: self._begun(self.lane.renew, *given))

    def _exchange(self, letter: Letter, within: float) -> Awaitable[Any]:
        self.letters.append(letter)
        return self._begun(self.lane.exchange, letter, within)

    def _take(self, letter: Letter) -> Awaitable[Any]:
        self.letters.append(letter)
        return self._begun(self.lane.take, letter)

    def _begun(self, method: Callable[..., Any], *given: Any) -> asyncio.Task[Any]:
        if self.trouble:
            return asyncio.ensure_future(_raise(self.trouble.pop(0)))
        return asyncio.ensure_future(method(*given))


async def _raise(error: Exception) -> None:
    raise error


async def under_way(distant: Distant, count: int) -> None:
    """Return when so many calls are in flight on the lane."""
    async with asyncio.timeout(60):
        while (await distant.lane.load()).in_flight < count:  # noqa: ASYNC110  # the lane has no event for it
            await asyncio.sleep(0.001)


@pytest.fixture
async def distant() -> Any:
    lane = Distant()
    yield lane
    await lane.lane.close()


async def test_orders_that_arise_together_travel_in_one_letter_and_outcomes_come_as_they_land(
    distant: Distant,
) -> None:
    wire = Wire(distant, lambda: None)
    fast, slow, other = wire.order(order("a")), wire.order(order("b", "slow")), wire.order(order("c"))
    assert isinstance(await fast, Answered)
    assert isinstance(await other, Answered)
    assert not slow.done()
    assert [len(letter.orders) for letter in distant.letters if letter.orders] == [3]


async def test_a_stopped_call_says_why_it_ended(distant: Distant) -> None:
    wire = Wire(distant, lambda: None)
    outcome = wire.order(order("b", "slow"))
    await under_way(distant, 1)
    wire.stop(order("b", "slow"), "straggler")
    ended = await outcome
    assert isinstance(ended, Cancelled)
    assert ended.reason == "straggler"


async def test_a_call_that_is_stopped_before_it_was_told_is_never_made(distant: Distant) -> None:
    wire = Wire(distant, lambda: None)
    wanted = order("b", "slow")
    outcome = wire.order(wanted)
    wire.stop(wanted, "straggler")
    assert isinstance(await outcome, Cancelled)
    assert wire.is_idle


async def test_a_call_that_is_given_up_ends_on_the_lane(distant: Distant) -> None:
    wire = Wire(distant, lambda: None)
    wanted = order("b", "slow")
    wire.order(wanted).cancel()
    await under_way(distant, 1)
    wire.give_up(wanted)
    assert wire.is_idle
    async with asyncio.timeout(60):
        while (await distant.lane.load()).in_flight:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.001)


async def test_a_dead_lane_is_told_to_everybody_who_waits_and_once(distant: Distant) -> None:
    gone: list[str] = []
    distant.trouble = [ActorDiedError()]
    wire = Wire(distant, lambda: gone.append("gone"))
    outcomes = await asyncio.gather(wire.order(order("a")), wire.order(order("b")), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LaneLost, LaneLost]
    assert gone == ["gone"]


async def test_a_lane_that_was_out_of_reach_once_is_asked_again_and_its_calls_are_joined(
    distant: Distant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "AGAIN_SECONDS", 0.0)
    wire = Wire(distant, lambda: None)
    slow = wire.order(order("b", "slow"))
    await under_way(distant, 1)
    distant.trouble = [ActorUnavailableError("a cable was pulled", None)]
    assert isinstance(await wire.order(order("a")), Answered)
    assert (await distant.lane.load()).in_flight == 1
    assert not slow.done()


async def test_a_lane_without_room_refuses_what_it_does_not_have_already(distant: Distant) -> None:
    wire = Wire(distant, lambda: None)
    held = [wire.order(order(step, "slow")) for step in "abc"]
    await under_way(distant, 3)
    refused: Any = await wire.order(order("d"))
    assert refused.failure.code == "overloaded"
    assert refused.failure.retryable
    assert not any(outcome.done() for outcome in held)
