"""Calls that wait for their turn first: as a stream, and performed to an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from actors.flights import Stopped
from actors.limited import Limited, claim, client_of, perform_in_turn
from actors.models.scripted.client import ScriptedModel
from actors.models.scripted.script import Script
from actors.orders import CallOrder
from actors.quotas import Quotas
from actors.turnstile import Turnstile
from workflows.errors import RateLimited, UpstreamBusy
from workflows.flow import Answered, Call, Cancelled, Failed
from workflows.messages import ChatRequest, Completion, Message, Sampling
from workflows.spec import ModelLimitsSpec, ModelSpec

ASKED = ChatRequest((Message.of("user", "Hello there"),))
ONE_AT_ONCE = {"max_parallel_requests": 1}


def spec(limits: dict[str, Any] | None) -> ModelSpec:
    return ModelSpec.model_validate({"model": "m", "base_url": "http://one/v1", "limits": limits})


def order(limits: dict[str, Any] | None, step: str = "review.1/a", timeout: float = 60.0) -> CallOrder:
    call = Call(step, "review.1", "branch", "a", "a", ASKED, timeout)
    return CallOrder("run_1", call, spec(limits))


def says(*rules: dict[str, Any]) -> ScriptedModel:
    return ScriptedModel(Script.read(list(rules)), "m")


FINE = {"answer": "Fine.", "usage": {"input": 30, "output": 20}}
BUSY = {"fail": {"status": 429, "retry_after": 30}}


@pytest.fixture
async def gate() -> AsyncIterator[Turnstile]:
    quotas = Quotas()
    gate = Turnstile(lambda: quotas)
    yield gate
    await gate.aclose()


async def test_a_model_without_limits_is_called_as_ever() -> None:
    def no_desk() -> Quotas:
        raise AssertionError("nobody needs it")

    outcome = await perform_in_turn(says(FINE), order(None), Stopped(), Turnstile(no_desk))
    assert isinstance(outcome, Answered)


async def test_calls_are_made_one_after_the_other_where_one_is_allowed(gate: Turnstile) -> None:
    model = says(FINE | {"delay": 0.05})
    calls = (perform_in_turn(model, order(ONE_AT_ONCE, f"s/{n}"), Stopped(), gate) for n in range(4))
    outcomes = await asyncio.gather(*calls)
    assert all(isinstance(outcome, Answered) for outcome in outcomes)


async def test_a_call_without_room_has_failed_and_may_come_again(gate: Turnstile) -> None:
    limits = {"rpm": 1}
    await perform_in_turn(says(FINE), order(limits), Stopped(), gate)
    outcome = await perform_in_turn(says(FINE), order(limits, "s/2"), Stopped(), gate)
    assert isinstance(outcome, Failed)
    assert (outcome.step_id, outcome.model, outcome.failure.code) == ("s/2", "a", "rate_limited")
    assert outcome.failure.retryable
    assert outcome.failure.retry_after is not None


async def test_a_call_that_is_stopped_while_it_waits_was_never_made(gate: Turnstile) -> None:
    model, stopped = says({"hang": True}), Stopped()
    first = asyncio.ensure_future(perform_in_turn(model, order(ONE_AT_ONCE), Stopped(), gate))
    await asyncio.sleep(0.05)
    second = asyncio.ensure_future(perform_in_turn(model, order(ONE_AT_ONCE, "s/2"), stopped, gate))
    await asyncio.sleep(0.05)
    stopped.reason = "straggler"
    second.cancel()
    outcome = await second
    assert isinstance(outcome, Cancelled)
    assert (outcome.reason, outcome.usage.input_tokens) == ("straggler", 0)
    first.cancel()
    await first


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_429_of_the_provider_keeps_the_next_call_back(gate: Turnstile, streamed: bool) -> None:
    limits = {"rpm": 600, "max_wait": "5s"}
    if streamed:
        with pytest.raises(UpstreamBusy):
            await heard(limited(gate, limits, BUSY))
    else:
        await perform_in_turn(says(BUSY), order(limits), Stopped(), gate)
    with pytest.raises(RateLimited, match="asked for a pause"):
        await heard(limited(gate, limits, FINE))


async def test_a_stream_that_is_left_gives_its_place_up(gate: Turnstile) -> None:
    async with aclosing(limited(gate, ONE_AT_ONCE, FINE | {"chunks": 3}).stream(ASKED)) as items:
        await anext(items)
    assert isinstance((await heard(limited(gate, ONE_AT_ONCE, FINE)))[-1], Completion)


async def test_what_a_call_took_in_truth_counts_and_not_what_was_reserved(gate: Turnstile) -> None:
    limits = {"tpm": 10_000, "max_wait": "30s"}
    for _ in range(15):  # reserved, these would be twice what a minute has
        assert isinstance((await heard(limited(gate, limits, FINE)))[-1], Completion)


async def test_a_stream_says_how_long_it_has_waited(gate: Turnstile) -> None:
    waited: list[float] = []
    wanted = claim(spec(ONE_AT_ONCE), ModelLimitsSpec(**ONE_AT_ONCE), ASKED, ("", "run"))
    permit = await gate.enter(wanted)
    second = asyncio.ensure_future(heard(Limited(says(FINE), gate, wanted, waited.append)))
    await asyncio.sleep(0.2)
    assert not waited
    permit.end()
    await second
    assert waited[0] >= 0.15


@pytest.mark.parametrize(
    ("max_wait", "timeout", "patience"),
    [(None, None, 10.0), (None, 90.0, 45.0), ("5s", 90.0, 5.0), ("5s", None, 5.0), ("60s", 20.0, 20.0)],
)
def test_how_long_a_call_may_wait(max_wait: str | None, timeout: float | None, patience: float) -> None:
    limits = ModelLimitsSpec.model_validate({"rpm": 1, "max_wait": max_wait})
    assert claim(spec(None), limits, ASKED, ("", "run"), timeout).patience == patience


def test_tokens_are_foreseen_where_they_are_limited() -> None:
    limits = ModelLimitsSpec(tpm=1000)
    bounded = ChatRequest(ASKED.messages, sampling=Sampling(max_tokens=7))
    assert 7 < claim(spec(None), limits, bounded, ("", "run")).tokens < 30
    assert claim(spec(None), ModelLimitsSpec(rpm=1), bounded, ("", "run")).tokens == 0


def test_a_client_is_known_by_what_it_says_of_its_user() -> None:
    told = ChatRequest((), sampling=Sampling(extra={"user": "ada"}))
    assert (client_of(told), client_of(ASKED)) == ("ada", "")


def limited(gate: Turnstile, limits: dict[str, Any], rule: dict[str, Any]) -> Limited:
    wanted = claim(spec(limits), ModelLimitsSpec.model_validate(limits), ASKED, ("", "run"))
    return Limited(says(rule), gate, wanted, lambda _: None)


async def heard(model: Limited) -> list[Any]:
    return [item async for item in model.stream(ASKED)]
