"""Processes that share limits: turnstiles on one desk, with the messages between them real, late or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time

import pytest

from actors import quotas, steady_desk, turnstile
from actors.offers import Offering, Roll
from actors.quotas import Desk, News, Quotas, Word
from actors.steady_desk import SteadyDesk
from actors.turnstile import Claim, Turnstile
from workflows.errors import ClusterError, RateLimited
from workflows.publications import drafted
from workflows.quota import RateLimits
from workflows.spec import WorkflowSpec

TWO = RateLimits(max_parallel_requests=2)


@dataclass
class Link:
    """The way to a desk, which may break; counts messages."""

    desk: Desk
    is_broken: bool = False
    loses_answers: bool = False
    told: list[News] = field(default_factory=list)

    async def tell(self, seat: str, news: News) -> Word:
        self.told.append(news)
        return await self._through(lambda: self.desk.tell(seat, news))

    async def listen(self, seat: str, within: float) -> Word:
        return await self._through(lambda: self.desk.listen(seat, within))

    async def _through(self, say: Callable[[], object]) -> Word:
        if self.is_broken:
            raise ClusterError("broken")
        word = await say()  # type: ignore[misc]  # a coroutine of one of the two above
        assert isinstance(word, Word)
        if self.loses_answers:
            raise ClusterError("lost")
        return word


@dataclass
class Upstream:
    """Counts calls that are under way at once."""

    now: int = 0
    most: int = 0
    done: list[str] = field(default_factory=list)

    async def call(self, gate: Turnstile, wanted: Claim, seconds: float = 0.02) -> None:
        permit = await gate.enter(wanted)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.now -= 1
            permit.end()
        self.done.append(wanted.run_id)


def claim(
    limits: RateLimits, run_id: str = "run", *, account: str = "one", tokens: int = 0, patience: float = 60
) -> Claim:
    return Claim("model", account, limits, "", run_id, tokens, patience)


@asynccontextmanager
async def gates(*desks: Desk) -> AsyncIterator[list[Turnstile]]:
    opened = [Turnstile(lambda desk=desk: desk) for desk in desks]  # type: ignore[misc]
    try:
        yield opened
    finally:
        await asyncio.gather(*(each.aclose() for each in opened))


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)


async def test_several_processes_together_never_have_more_calls_under_way_than_may_be() -> None:
    upstream, desk = Upstream(), Quotas()
    async with gates(desk, desk, desk) as processes:
        runs = (upstream.call(processes[n % 3], claim(TWO, f"run{n % 5}")) for n in range(60))
        await asyncio.gather(*runs)
    assert upstream.most == 2
    assert len(upstream.done) == 60


async def test_a_run_with_few_calls_is_not_kept_waiting_by_one_with_many_in_another_process() -> None:
    upstream, desk = Upstream(), Quotas()
    async with gates(desk, desk) as (busy, calm):
        long = [asyncio.ensure_future(upstream.call(busy, claim(TWO, "long"))) for _ in range(60)]
        await eventually(lambda: upstream.done)
        await asyncio.gather(*(upstream.call(calm, claim(TWO, "short")) for _ in range(3)))
        assert upstream.done.count("long") < 40
        await asyncio.gather(*long)


async def test_many_calls_that_come_together_are_one_message() -> None:
    link = Link(Quotas())
    async with gates(link) as (gate,):
        permits = await asyncio.gather(*(gate.enter(claim(RateLimits(rpm=10000))) for _ in range(500)))
        assert sum(len(news.asks) for news in link.told if not news.everything) == 0
        for permit in permits:
            permit.end()
    assert len(link.told) <= 3
    assert sum(len(news.ended) for news in link.told) == 500


async def test_a_call_that_would_wait_too_long_is_refused_at_once() -> None:
    async with gates(Quotas()) as (gate,):
        limits = RateLimits(rpm=1)
        await gate.enter(claim(limits))
        began = time()
        with pytest.raises(RateLimited, match="requests a minute") as refused:
            await gate.enter(claim(limits, patience=50))
        assert time() - began < 20
        assert 50 < (refused.value.retry_after or 0) <= 60
        assert refused.value.failure().code == "rate_limited"


async def test_a_call_that_cannot_wait_at_all_is_made_when_there_is_room_and_only_then() -> None:
    one = RateLimits(max_parallel_requests=1)
    async with gates(Quotas()) as (gate,):
        permit = await gate.enter(claim(one, patience=0))
        with pytest.raises(RateLimited, match="under way"):
            await gate.enter(claim(one, patience=0))
        permit.end()
        (await gate.enter(claim(one, patience=30))).end()


async def test_a_call_that_is_cancelled_while_it_waits_leaves_its_place_to_others() -> None:
    one = RateLimits(max_parallel_requests=1)
    async with gates(Quotas()) as (gate,):
        first = await gate.enter(claim(one))
        waiting = [asyncio.ensure_future(gate.enter(claim(one))) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in waiting[:2]:
            task.cancel()
        first.end()
        (await waiting[2]).end()
        assert all(task.cancelled() for task in waiting[:2])


async def test_without_a_limited_call_nobody_asks_for_a_desk() -> None:
    def never() -> Desk:
        raise AssertionError("nobody needs it")

    await Turnstile(never).aclose()


async def test_answers_that_get_lost_lose_no_call_and_no_slot() -> None:
    upstream, link = Upstream(), Link(Quotas(), loses_answers=True)
    async with gates(link) as (gate,):
        calls = [asyncio.ensure_future(upstream.call(gate, claim(TWO))) for _ in range(6)]
        await eventually(lambda: link.told)
        link.loses_answers = False
        await asyncio.gather(*calls)
    assert upstream.most <= 2


async def test_a_desk_that_comes_back_knowing_nothing_learns_what_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotas, "SETTLING_SECONDS", 3.0)
    upstream, links = Upstream(), [Link(Quotas()) for _ in range(2)]
    async with gates(*links) as processes:
        long = [asyncio.ensure_future(upstream.call(gate, claim(TWO), 4.0)) for gate in processes]
        await eventually(lambda: upstream.now == 2)
        fresh = Quotas(restarted=True)
        for link in links:
            link.desk = fresh
        more = [upstream.call(gate, claim(TWO)) for gate in processes for _ in range(3)]
        await asyncio.gather(*more, *long)
    assert upstream.most == 2


async def test_while_the_desk_stays_away_a_process_keeps_its_share_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steady_desk, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(steady_desk, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(quotas, "SETTLING_SECONDS", 0.1)
    four = RateLimits(max_parallel_requests=4)
    upstream, desk = Upstream(), Quotas()
    links = [Link(desk), Link(desk)]
    async with gates(*map(SteadyDesk, links)) as (here, there):
        for gate in (there, here):  # in this order: `here` must have heard that there are two
            await upstream.call(gate, claim(four))
        upstream.most = 0
        links[0].is_broken = True
        await asyncio.gather(*(upstream.call(here, claim(four)) for _ in range(12)))
        assert upstream.most == 2
        links[0].is_broken = False
        await asyncio.gather(*(upstream.call(gate, claim(four)) for gate in (here, there) for _ in range(12)))
    assert len(upstream.done) == 2 + 12 + 24


async def test_the_calls_of_a_process_that_died_are_given_up_with_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotas, "LEASE_SECONDS", 0.3)
    desk = Quotas()
    link = Link(desk)
    dead = Turnstile(lambda: link)
    for _ in range(2):
        await dead.enter(claim(TWO))
    link.is_broken = True
    async with gates(desk) as (gate,):
        (await asyncio.wait_for(gate.enter(claim(TWO)), 60)).end()
    await dead.aclose()


async def test_of_two_declarations_of_one_account_the_strictest_holds() -> None:
    upstream = Upstream()
    async with gates(Quotas()) as (gate,):
        both = (RateLimits(max_parallel_requests=5), TWO)
        await asyncio.gather(*(upstream.call(gate, claim(both[n % 2])) for n in range(20)))
    assert upstream.most == 2


async def test_what_a_published_workflow_declares_holds_before_anybody_calls_it() -> None:
    spec = WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": "strict",
            "models": {
                "main": {"model": "m", "base_url": "http://one", "limits": {"max_parallel_requests": 1}}
            },
            "main": {"model": "main"},
        }
    )
    told = asyncio.Event()

    async def watch(after: int, _within: float) -> Roll:
        if after:
            told.set()
            await asyncio.Event().wait()
        return Roll(7, (Offering(drafted(spec), spec, 0.0),))

    upstream, desk = Upstream(), Quotas(watch=watch)
    await asyncio.wait_for(told.wait(), 60)
    async with gates(desk) as (gate,):
        wanted = claim(RateLimits(max_parallel_requests=5), account="one - m")
        await asyncio.gather(*(upstream.call(gate, wanted) for _ in range(10)))
    assert upstream.most == 1


async def test_limits_of_one_account_do_not_hold_for_another() -> None:
    one = RateLimits(max_parallel_requests=1)
    async with gates(Quotas()) as (gate,):
        first = await gate.enter(claim(one, account="one"))
        second = await asyncio.wait_for(gate.enter(claim(one, account="two")), 60)
        first.end()
        second.end()


async def test_a_429_in_one_process_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "RENEW_SECONDS", 0.05)
    limits, desk = RateLimits(rpm=600), Quotas()
    async with gates(desk, desk) as (here, there):
        permit = await here.enter(claim(limits))
        permit.push_back(30.0)
        permit.end(0)
        await asyncio.sleep(0.2)
        with pytest.raises(RateLimited, match="asked for a pause"):
            await there.enter(claim(limits, patience=5))
