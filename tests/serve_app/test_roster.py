"""Versions are switched between two requests, and closed when their last run is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from actors.offers import Offering, Roll
from serve_app.roster import Roster
from tests.serve_app.scripted_host import MODEL
from tests.workflows.publishing import pass_through
from workflows.answer import AnswerEvent, AnswerStarted, RunRequest
from workflows.errors import PublishFailed, UnknownVirtualModel
from workflows.messages import ChatRequest, Message
from workflows.publications import Publication

REQUEST = ChatRequest((Message.of("user", "Hi"),))


def offering(number: int, name: str = MODEL) -> Offering:
    publication = Publication(virtual_model=name, number=number, hash=f"h{number}", workflow="")
    return Offering(publication, pass_through(name, f"m{number}"), 0.0)


class Home:
    """Answers with its version's number until it is told to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.end = asyncio.Event()
        self.closed = asyncio.Event()

    async def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield AnswerStarted(run_id=run.run_id, model=run.virtual_model, created=self.number)
        await self.end.wait()

    async def aclose(self) -> None:
        self.closed.set()


class Scene:
    def __init__(self) -> None:
        self.homes: dict[int, Home] = {}
        self.broken: set[int] = set()
        self.roster = Roster(self._open)

    async def _open(self, offering: Offering) -> Home:
        number = offering.publication.number
        if number in self.broken:
            raise PublishFailed(MODEL, "it is broken")
        self.homes[number] = Home(number)
        return self.homes[number]

    async def switch(self, *offerings: Offering) -> None:
        await self.roster.switch(Roll(1, offerings))

    async def begun(self) -> tuple[int, AsyncGenerator[AnswerEvent, None]]:
        """A run under way, and the version that it began with."""
        run = self.roster.answer(
            RunRequest(run_id="run_1", virtual_model=MODEL, request=REQUEST, protocol="t")
        )
        first = await anext(run)
        assert isinstance(first, AnswerStarted)
        return first.created, run


async def test_new_runs_get_the_new_version_and_old_ones_end_on_theirs() -> None:
    scene = Scene()
    await scene.switch(offering(1))
    old, run = await scene.begun()
    await scene.switch(offering(2))
    new, other = await scene.begun()
    assert (old, new) == (1, 2)
    assert scene.roster.busy == {(MODEL, 1)}
    assert not scene.homes[1].closed.is_set()
    await run.aclose()
    await asyncio.wait_for(scene.homes[1].closed.wait(), 5)
    assert scene.roster.quiet.is_set()
    assert scene.roster.busy == frozenset()
    await other.aclose()
    assert not scene.homes[2].closed.is_set()


async def test_a_version_without_runs_is_closed_at_once_and_its_name_is_unknown() -> None:
    scene = Scene()
    await scene.switch(offering(1))
    await scene.switch()
    await asyncio.wait_for(scene.homes[1].closed.wait(), 5)
    with pytest.raises(UnknownVirtualModel):
        scene.roster.find(MODEL)


async def test_what_is_on_both_rolls_is_left_alone() -> None:
    scene = Scene()
    await scene.switch(offering(1))
    kept = scene.homes[1]
    await scene.switch(offering(1), offering(2, "another"))
    assert scene.homes[1] is kept
    assert not kept.closed.is_set()


async def test_a_version_that_came_back_while_its_runs_went_on_is_closed_in_each_of_its_lives() -> None:
    scene = Scene()
    await scene.switch(offering(1))
    first = scene.homes[1]
    _, run = await scene.begun()
    await scene.switch(offering(2))
    await scene.switch(offering(1))
    second = scene.homes[1]
    await scene.switch(offering(2))
    await asyncio.wait_for(second.closed.wait(), 5)
    assert not first.closed.is_set()
    await run.aclose()
    await asyncio.wait_for(first.closed.wait(), 5)


async def test_a_version_that_cannot_be_made_ready_leaves_its_name_as_it_was_and_the_others_switch() -> None:
    scene = Scene()
    await scene.switch(offering(1), offering(2, "another"))
    scene.broken.add(3)
    with pytest.raises(PublishFailed):
        await scene.switch(offering(3), offering(4, "another"))
    assert scene.roster.find(MODEL).publication.number == 1
    assert scene.roster.find("another").publication.number == 4
    number, run = await scene.begun()
    assert number == 1
    await run.aclose()
    assert not scene.homes[1].closed.is_set()
    scene.broken.clear()
    await scene.switch(offering(3), offering(4, "another"))
    assert scene.roster.find(MODEL).publication.number == 3
