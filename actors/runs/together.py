"""Questions that are asked at about the same time, put together: one call to an actor costs more than many answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Asks a question at once; what comes while that is under way waits, and is asked in one go behind it.

    Args:
        ask: comes to the answers of several questions, in their order; what it raises, all of them hear.
    """

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, question: Q) -> A:
        """The answer to one question."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        if self._asking is None or self._asking.done():
            # In an empty context: Ray would cancel everybody's questions together with the request that came first.
            self._asking = loop.create_task(self._ask_on(), context=Context())
        return await future

    async def _ask_on(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                answers = await self._ask([question for question, _ in asked])
            except Exception as error:  # noqa: BLE001  # whoever asked must hear of any failure
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(asked, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
