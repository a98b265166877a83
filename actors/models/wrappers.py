"""Behaviour around a model, one concern each, stacked by `actors.models.factory`.

Retries, fallbacks and hedges are not here: they are recorded attempts, so they belong to who drives a run
(`actors.attempts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from actors.models.base import ChatModel
from workflows.errors import UpstreamTimeout
from workflows.messages import ChatRequest, Completion, Sampling, StreamItem
from workflows.tariff import Prices


class WithDefaults:
    """Adds the workflow's parameters where the request is silent."""

    def __init__(self, inner: ChatModel, defaults: Sampling) -> None:
        self._inner = inner
        self._defaults = defaults

    def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream with the parameters filled in."""
        return self._inner.stream(replace(request, sampling=request.sampling.over(self._defaults)))


class Priced:
    """Says what an answer cost: at the workflow's own price, else as the provider says, else by the price map."""

    def __init__(self, inner: ChatModel, prices: Prices | None) -> None:
        self._inner = inner
        self._prices = prices

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream, with the cost on the completion."""
        async with aclosing(self._inner.stream(request)) as items:
            async for item in items:
                yield self._priced(item) if isinstance(item, Completion) else item

    def _priced(self, completion: Completion) -> Completion:
        if self._prices is None or (completion.cost_usd is not None and not self._prices.agreed):
            return completion
        return replace(completion, cost_usd=self._prices.cost(completion.usage))


class Impatient:
    """Gives up on an answer in which nothing is said for `seconds`, from its beginning on; `model` is its name."""

    def __init__(self, inner: ChatModel, seconds: float, model: str) -> None:
        self._inner = inner
        self._seconds = seconds
        self._model = model

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream; raises `UpstreamTimeout` after a silence that is too long."""
        async with aclosing(self._inner.stream(request)) as items:
            while True:
                try:
                    async with asyncio.timeout(self._seconds) as patience:
                        item = await anext(items, None)
                except TimeoutError as error:
                    if not patience.expired():
                        raise
                    raise UpstreamTimeout(self._model, f"no token within {self._seconds:g} s") from error
                if item is None:
                    return
                yield item
