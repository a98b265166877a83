"""Questions to an actor that are put together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from actors.runs.together import Together
from workflows.errors import JournalUnavailable


class Oracle:
    """Answers with the double, when the test says so."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.hears = asyncio.Event()
        self.speaks = asyncio.Semaphore(0)

    async def ask(self, questions: Sequence[int]) -> list[int]:
        self.asked.append(list(questions))
        self.hears.set()
        await self.speaks.acquire()
        if 13 in questions:
            raise JournalUnavailable("away")
        return [2 * question for question in questions]


async def test_what_comes_while_a_question_is_under_way_is_asked_in_one_go() -> None:
    oracle = Oracle()
    together = Together(oracle.ask)
    first = asyncio.ensure_future(together.answer(1))
    await oracle.hears.wait()
    others = [asyncio.ensure_future(together.answer(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    oracle.speaks.release()
    assert await first == 2
    oracle.speaks.release()
    assert await asyncio.gather(*others) == [4, 6]
    assert oracle.asked == [[1], [2, 3]]


async def test_a_failure_is_heard_by_those_who_asked_and_by_nobody_later() -> None:
    oracle = Oracle()
    together = Together(oracle.ask)
    for _ in range(2):
        oracle.speaks.release()
    with pytest.raises(JournalUnavailable):
        await together.answer(13)
    assert await together.answer(1) == 2


async def test_who_does_not_wait_any_more_costs_the_others_nothing() -> None:
    oracle = Oracle()
    together = Together(oracle.ask)
    gone, stays = (asyncio.ensure_future(together.answer(number)) for number in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    oracle.speaks.release()
    assert await stays == 4
