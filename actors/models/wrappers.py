"""Behaviour around a model, one concern each, stacked by `actors.models.factory`.

Retries, fallbacks and hedges are not here: they are recorded attempts, so they belong to who drives a run
(`actors.attempts`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from actors.models.base import ChatModel
from actors.models.pricing import cost
from workflows.messages import ChatRequest, Completion, Sampling, StreamItem
from workflows.spec import PriceSpec


class WithDefaults:
    """Adds the workflow's parameters where the request is silent."""

    def __init__(self, inner: ChatModel, defaults: Sampling) -> None:
        self._inner = inner
        self._defaults = defaults

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream with the parameters filled in."""
        filled = replace(request, sampling=request.sampling.over(self._defaults))
        async with aclosing(self._inner.stream(filled)) as items:
            async for item in items:
                yield item


class Priced:
    """Says what an answer cost when the provider does not."""

    def __init__(self, inner: ChatModel, price: PriceSpec | None) -> None:
        self._inner = inner
        self._price = price

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream, with the cost on the completion."""
        async with aclosing(self._inner.stream(request)) as items:
            async for item in items:
                if isinstance(item, Completion) and item.cost_usd is None:
                    yield replace(item, cost_usd=cost(self._price, item.usage))
                else:
                    yield item
