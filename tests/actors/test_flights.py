"""Calls in flight: made once, joined, leased, stopped."""

from __future__ import annotations

import asyncio

import pytest

from actors import flights as flights_module
from actors.flights import Flights, Stopped
from actors.orders import CallOrder
from tests.workflows.flows import completion
from workflows.flow import Answered, Call, Cancelled, Outcome
from workflows.messages import ChatRequest
from workflows.spec import ModelSpec

MODEL = ModelSpec(model="openai/a")


def order(step_id: str = "review.1/a", run_id: str = "run_1", lease: float = 60.0) -> CallOrder:
    return CallOrder(
        run_id, Call(step_id, "review.1", "branch", "a", "a", ChatRequest(())), MODEL, lease=lease
    )


class Calls:
    """Something that performs calls: each hangs until `land` is set."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.begun = asyncio.Semaphore(0)
        self.land = asyncio.Event()

    async def perform(self, order: CallOrder, stopped: Stopped) -> Outcome:
        self.made.append(order.call.step_id)
        self.begun.release()
        try:
            await self.land.wait()
        except asyncio.CancelledError:
            return Cancelled(order.call.step_id, stopped.reason, 0.0)
        return Answered(order.call.step_id, completion("yes"), 0.0)


async def under_way(calls: Calls, flights: Flights, *orders: CallOrder) -> list[asyncio.Task[Outcome]]:
    """Order calls and return when all of them have begun."""
    tasks = [asyncio.ensure_future(flights.join(each)) for each in orders]
    for _ in {each.call.step_id for each in orders}:
        await calls.begun.acquire()
    return tasks


async def test_who_orders_the_same_call_again_joins_it() -> None:
    calls = Calls()
    flights = Flights(calls.perform)
    tasks = await under_way(calls, flights, order(), order())
    assert len(flights) == 1
    calls.land.set()
    first, second = await asyncio.gather(*tasks)
    assert first == second
    assert calls.made == ["review.1/a"]


async def test_an_outcome_is_kept_for_whoever_asks_again_until_the_run_is_released() -> None:
    calls = Calls()
    calls.land.set()
    flights = Flights(calls.perform)
    await flights.join(order())
    await flights.join(order())
    assert calls.made == ["review.1/a"]
    flights.release("run_1")
    await flights.join(order())
    assert calls.made == ["review.1/a", "review.1/a"]


async def test_runs_do_not_share_calls() -> None:
    calls = Calls()
    calls.land.set()
    flights = Flights(calls.perform)
    await flights.join(order(run_id="run_1"))
    await flights.join(order(run_id="run_2"))
    assert len(calls.made) == 2


async def test_a_stopped_call_reports_why_to_everybody_who_waits() -> None:
    calls = Calls()
    flights = Flights(calls.perform)
    tasks = await under_way(calls, flights, order(), order())
    flights.stop("run_1", ("review.1/a",), "straggler")
    outcomes = await asyncio.gather(*tasks)
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Cancelled)] == ["straggler"] * 2


async def test_cancelling_the_caller_stops_the_call() -> None:
    calls = Calls()
    flights = Flights(calls.perform)
    (task,) = await under_way(calls, flights, order())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert not len(flights)


async def test_a_call_that_was_given_up_is_made_again_for_whoever_wants_it() -> None:
    calls = Calls()
    flights = Flights(calls.perform)
    (task,) = await under_way(calls, flights, order())
    task.cancel()
    (again,) = await under_way(calls, flights, order())
    calls.land.set()
    assert isinstance(await again, Answered)
    assert len(calls.made) == 2


async def test_a_call_that_nobody_renews_ends_with_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(flights_module, "monotonic", lambda: now)
    calls = Calls()
    flights = Flights(calls.perform)
    (task,) = await under_way(calls, flights, order(lease=10.0))
    now = 1009.0
    flights.renew(("run_1",), 10.0)
    now = 1018.0
    flights.sweep()
    assert len(flights) == 1
    now = 1020.0
    flights.sweep()
    outcome = await task
    assert isinstance(outcome, Cancelled)
    assert outcome.reason == "lease"


async def test_outcomes_that_nobody_asks_for_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(flights_module, "monotonic", lambda: now)
    calls = Calls()
    calls.land.set()
    flights = Flights(calls.perform)
    await flights.join(order())
    await asyncio.sleep(0)
    now += flights_module.RETAIN_SECONDS + 1
    flights.sweep()
    assert flights.held("run_1") == ()


async def test_a_shutdown_stops_every_call() -> None:
    calls = Calls()
    flights = Flights(calls.perform)
    tasks = await under_way(calls, flights, order("review.1/a"), order("review.1/b"))
    await flights.stop_all("shutdown")
    outcomes = await asyncio.gather(*tasks)
    assert {o.reason for o in outcomes if isinstance(o, Cancelled)} == {"shutdown"}
