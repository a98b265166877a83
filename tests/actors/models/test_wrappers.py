from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from actors.models.wrappers import Impatient, Priced, WithDefaults
from tests.actors.models.sums import drained, lawful
from workflows.errors import UpstreamTimeout
from workflows.messages import ChatRequest, Completion, Message, Sampling, StreamItem, TextDelta, Usage
from workflows.spec import PriceSpec
from workflows.tariff import Prices

ASKED = ChatRequest((Message.of("user", "Hi"),))


class Recording:
    """A model that says what it was asked and whether it was closed."""

    def __init__(self, cost: float | None = None) -> None:
        self.asked: list[ChatRequest] = []
        self.closed = False
        self._cost = cost

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        self.asked.append(request)
        try:
            yield TextDelta("yes")
            yield Completion(
                Message.of("assistant", "yes"), "stop", Usage(1_000_000, 1_000_000), "m", self._cost
            )
        finally:
            self.closed = True


async def test_the_workflows_parameters_fill_only_the_gaps() -> None:
    inner = Recording()
    defaults = Sampling(temperature=0.4, max_tokens=100, extra={"top_k": 5, "min_p": 0.1})
    wanted = Sampling(temperature=0.0, extra={"top_k": 1})
    await drained(WithDefaults(inner, defaults).stream(ChatRequest(ASKED.messages, sampling=wanted)))
    assert inner.asked[0].sampling == Sampling(
        temperature=0.0, max_tokens=100, extra={"top_k": 1, "min_p": 0.1}
    )


@pytest.mark.parametrize(
    ("told", "prices", "expected"),
    [
        (None, None, None),
        (None, Prices(((0, PriceSpec(input=1, output=2)),)), 3.0),
        (0.5, None, 0.5),
        (0.5, Prices(((0, PriceSpec(input=1, output=2)),)), 0.5),
        (0.0, Prices(((0, PriceSpec(input=1, output=2)),)), 0.0),
        (0.5, Prices(((0, PriceSpec(input=1, output=2)),), agreed=True), 3.0),
    ],
)
async def test_the_workflows_price_beats_the_providers_figure_and_that_beats_the_map(
    told: float | None, prices: Prices | None, expected: float | None
) -> None:
    completion = lawful(await drained(Priced(Recording(told), prices).stream(ASKED)))
    assert completion.cost_usd == expected


async def test_closing_the_outermost_stream_closes_the_innermost() -> None:
    inner = Recording()
    async with aclosing(Priced(WithDefaults(inner, Sampling()), None).stream(ASKED)) as items:
        await anext(items)
    assert inner.closed


class Stalling(Recording):
    """A model that says something, and then nothing more until it is closed."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        self.asked.append(request)
        try:
            yield TextDelta("yes")
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_a_model_that_falls_silent_has_failed_and_is_closed() -> None:
    inner = Stalling()
    async with aclosing(Impatient(inner, 0.05, "m").stream(ASKED)) as items:
        assert await anext(items) == TextDelta("yes")
        with pytest.raises(UpstreamTimeout, match="no token within"):
            await anext(items)
    assert inner.closed


async def test_a_reader_that_takes_its_time_is_no_silence_of_the_model() -> None:
    inner, heard = Recording(), list[StreamItem]()
    async with aclosing(Impatient(inner, 0.02, "m").stream(ASKED)) as items:
        async for item in items:
            heard.append(item)
            await asyncio.sleep(0.05)
    assert lawful(heard)
