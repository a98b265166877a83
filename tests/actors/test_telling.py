"""Stories of panels: told to whoever follows, in the order in which they happen, harming nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from actors.orders import PanelOrder
from actors.telling import Stories, Told, said_during
from tests.actors.test_attempts import Memory
from tests.workflows.test_progress import SPEC, answered, started
from workflows.flow import ToolUse
from workflows.messages import ChatRequest, ToolCall

USE = ToolUse("panel.1", "main", "panel", ToolCall("call_1", "panel", "{}"), ChatRequest(()))
ORDER = PanelOrder("run_1", USE, SPEC, 1, is_told=True)


async def test_a_listener_hears_what_was_told_before_and_what_comes() -> None:
    stories, memory = Stories(), Memory()
    with stories.told(ORDER, memory) as journal:
        journal.append_soon([started("panel.1/a")])
        assert await stories.after("run_1", "panel.1", 0, 9) == Told(
            ("a (gemini-3.5-flash) thinks",), is_over=False
        )
        coming = asyncio.ensure_future(stories.after("run_1", "panel.1", 1, 9))
        await asyncio.sleep(0)
        await journal.append([answered("panel.1/a", 1.0)])
        assert (await coming).lines == ("a answered in 1.0 s",)
    assert (await stories.after("run_1", "panel.1", 2, 9)).is_over
    assert len(memory.events) == 2


async def test_a_listener_may_come_before_the_teller() -> None:
    stories = Stories()
    early = asyncio.ensure_future(stories.after("run_1", "panel.1", 0, 9))
    await asyncio.sleep(0)
    with stories.told(ORDER, Memory()) as journal:
        journal.append_soon([started("panel.1/a")])
        assert (await early).lines


async def test_a_story_that_nobody_tells_is_over_and_forgotten() -> None:
    stories = Stories()
    assert await stories.after("run_1", "panel.1", 0, 0.01) == Told((), is_over=True)


async def test_without_a_listener_the_journal_is_not_touched() -> None:
    memory = Memory()
    with Stories().told(PanelOrder("run_1", USE, SPEC, 1), memory) as journal:
        assert journal is memory


async def lines(*told: str, error: Exception | None = None) -> AsyncGenerator[str, None]:
    for line in told:
        yield line
    if error:
        raise error


async def test_the_last_lines_are_heard_although_the_work_is_done() -> None:
    working = asyncio.ensure_future(asyncio.sleep(0, "done"))
    async with aclosing(said_during(working, [lines("a", "b")])) as said:
        assert [line async for line in said] == ["a", "b"]
    assert working.result() == "done"


async def test_a_broken_story_harms_nobody() -> None:
    working = asyncio.ensure_future(asyncio.sleep(0, "done"))
    async with aclosing(said_during(working, [lines("a", error=ValueError("broken"))])) as said:
        assert [line async for line in said] == ["a"]
    assert working.result() == "done"


async def test_a_listener_that_goes_away_cancels_the_work() -> None:
    working = asyncio.ensure_future(asyncio.sleep(99))
    async with aclosing(said_during(working, [lines("a")])) as said:
        await anext(said)
    assert working.cancelled()
    with pytest.raises(asyncio.CancelledError):
        working.result()
