"""Behaviour around a model, one concern each, stacked by `actors.models.factory`.

Retries, fallbacks and hedges are not here: they are recorded attempts, so they belong to who drives a run
(`actors.attempts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Self, cast

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
        with _Patience(self._seconds) as patience:
            async with aclosing(self._inner.stream(request)) as items:
                while True:
                    try:
                        with patience.waiting():
                            item = await anext(items, None)
                    except TimeoutError as error:
                        if not patience.is_over:
                            raise
                        raise UpstreamTimeout(self._model, f"no token within {self._seconds:g} s") from error
                    if item is None:
                        return
                    yield item


class _Patience:
    """`asyncio.timeout` around each of many short waits of one task, with one timer for all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self.is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for something, but not for too long; raises `TimeoutError`."""
        task = self._task = cast("asyncio.Task[object]", asyncio.current_task())
        before, self._since = task.cancelling(), self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(self._since + self._seconds, self._look)
        try:
            yield
        except asyncio.CancelledError as error:
            if self.is_over and task.uncancel() <= before:
                raise TimeoutError from error
            raise
        finally:
            self._task = None

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return  # the next wait sets the timer again
        if (due := self._since + self._seconds) > self._loop.time():
            self._timer = self._loop.call_at(due, self._look)
            return
        self.is_over = True
        self._task.cancel()
