"""What the publisher decides, without Ray: its ledger is the real journal, its applications are told by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.collect import Pending
from actors.journal.actor import JournalActor
from actors.offers import Offer, Offering, Roll
from actors.orders import CallOrder
from actors.publisher import Publisher, PublisherParts
from tests.workflows.publishing import pass_through
from workflows.errors import Failure, ProbeFailed, PublicationNotFound, PublishFailed
from workflows.flow import Answered, Failed, Outcome
from workflows.messages import Completion, Message, Usage
from workflows.publications import Publication, drafted

GATE = "gate-1"


class Apps:
    """Applications that are healthy at once, unless their name is among the broken."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.started: list[str] = []
        self.broken: set[str] = set()
        self.gone: set[str] = set()

    async def start(self, name: str, offering: Offering) -> None:
        if name in self.broken:
            raise PublishFailed(offering.publication.virtual_model, "it does not start")
        self.running.add(name)
        self.started.append(name)

    async def stop(self, name: str) -> None:
        self.running.discard(name)

    async def names(self) -> frozenset[str]:
        return frozenset(self.running)

    async def is_alive(self, gateway: str) -> bool:
        return gateway not in self.gone


class Lanes:
    """Every model answers `OK`, but the broken ones."""

    async def order(self, order: CallOrder) -> Pending:
        return Landed(order)


class Landed:
    def __init__(self, order: CallOrder) -> None:
        self._order = order

    async def result(self) -> Outcome:
        call, model = self._order.call, self._order.model.model
        if model == "broken":
            return Failed(call.step_id, Failure("upstream_refused", "wrong key"), 0.1)
        completion = Completion(Message.of("assistant", "OK"), "stop", Usage(), model=model)
        return Answered(call.step_id, completion, 0.1, 0.1, call.model)

    def stop(self, reason: str) -> None:
        """Nothing is under way."""

    def cancel(self) -> None:
        """Nothing is under way."""


class Scene:
    """A publisher on a journal, and a gateway that follows when it is told to."""

    def __init__(self, journal: JournalActor, apps: Apps) -> None:
        self.apps = apps
        self.publisher = Publisher(lambda: PublisherParts(journal, Lanes(), apps))
        self.tick = 0

    async def look(self) -> dict[str, str]:
        """What answers: the model's name by the virtual model's."""
        roll = await self.publisher.watch(0, 0.0)
        self.tick = roll.tick
        return {o.publication.virtual_model: o.spec.models["main"].model for o in roll.live}

    async def follow(self, *busy: tuple[str, int]) -> Roll:
        """The gateway switches to the present roll; these older versions have runs."""
        roll = await self.publisher.watch(0, 0.0)
        await self.publisher.report(GATE, roll.tick, frozenset(busy))
        return roll


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[JournalActor]:
    journal = JournalActor(f"sqlite:///{tmp_path}/journal.db", capture_content=True)
    yield journal
    await journal.close()


@pytest.fixture
async def scene(journal: JournalActor) -> AsyncIterator[Scene]:
    scene = Scene(journal, Apps())
    await scene.publisher.offer(Offer(at=0.0))
    yield scene
    await scene.publisher.close()


def version(model: str, name: str = "helper", **more: Any) -> Publication:
    return drafted(pass_through(name, model, **more), who="ada", at=1.0)


def shared(model: str, name: str = "helper") -> Publication:
    return version(model, name, deployment="shared")


async def numbers(scene: Scene) -> list[int | None]:
    (history,) = await scene.publisher.histories("helper")
    return [activation.number for activation in history.activations]


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # any state may be waited for
            await asyncio.sleep(0.01)


async def test_what_is_published_answers_and_the_same_again_changes_nothing(scene: Scene) -> None:
    first = await scene.publisher.publish(shared("one"), probe=False)
    again = await scene.publisher.publish(replace(shared("one"), note="other words"), probe=False)
    assert (first.publication.number, first.changed, again.changed) == (1, True, False)
    assert await scene.look() == {"helper": "one"}
    assert await numbers(scene) == [1]


async def test_a_rollback_is_a_new_activation(scene: Scene) -> None:
    for model in ("one", "two", "three"):
        await scene.publisher.publish(shared(model), probe=False)
    await scene.publisher.rollback("helper", None, "bob")
    assert await scene.look() == {"helper": "two"}
    await scene.publisher.rollback("helper", 1, "bob")
    assert await scene.look() == {"helper": "one"}
    assert await numbers(scene) == [1, 2, 3, 2, 1]
    with pytest.raises(PublicationNotFound):
        await scene.publisher.rollback("helper", 9, "bob")


async def test_a_name_that_was_unpublished_answers_no_more_and_comes_back(scene: Scene) -> None:
    await scene.publisher.publish(shared("one"), probe=False)
    assert await scene.publisher.unpublish("helper", "ada")
    assert not await scene.publisher.unpublish("helper", "ada")
    assert await scene.look() == {}
    await scene.publisher.rollback("helper", None, "ada")
    assert await scene.look() == {"helper": "one"}


async def test_an_old_application_goes_when_every_gateway_has_switched_and_drained(scene: Scene) -> None:
    await scene.publisher.publish(version("one"), probe=False)
    await scene.follow()
    second = asyncio.create_task(scene.publisher.publish(version("two"), probe=False))
    await eventually(lambda: scene.apps.running == {"helper@1", "helper@2"})
    await asyncio.sleep(0.05)
    assert not second.done(), "a gateway has not switched yet"
    await scene.follow(("helper", 1))
    assert (await second).changed
    assert await scene.publisher.draining() == (("helper", 1),)
    assert scene.apps.running == {"helper@1", "helper@2"}
    await scene.follow()
    await eventually(lambda: scene.apps.running == {"helper@2"})


async def test_a_gateway_that_is_gone_is_not_waited_for(scene: Scene) -> None:
    await scene.follow()
    scene.apps.gone.add(GATE)
    assert (await scene.publisher.publish(version("one"), probe=False)).changed


async def test_a_version_that_is_draining_and_wanted_again_is_kept(scene: Scene) -> None:
    await scene.publisher.publish(version("one"), probe=False)
    publishing = asyncio.create_task(scene.publisher.publish(version("two"), probe=False))
    await publishing
    await scene.follow(("helper", 1))
    back = asyncio.create_task(scene.publisher.rollback("helper", 1, "ada"))
    while not back.done():  # it is announced some time after it was started again
        await scene.follow()
        await asyncio.sleep(0.01)
    await back
    assert scene.apps.started.count("helper@1") == 2
    await eventually(lambda: scene.apps.running == {"helper@1"})


async def test_what_does_not_start_changes_nothing(scene: Scene) -> None:
    await scene.publisher.publish(version("one"), probe=False)
    scene.apps.broken.add("helper@2")
    with pytest.raises(PublishFailed, match="it does not start"):
        await scene.publisher.publish(version("two"), probe=False)
    assert await scene.look() == {"helper": "one"}
    assert await numbers(scene) == [1]


async def test_what_fails_its_probe_becomes_no_version(scene: Scene) -> None:
    with pytest.raises(ProbeFailed, match=r"`main` \(broken\): wrong key"):
        await scene.publisher.publish(shared("broken"), probe=True)
    assert await scene.publisher.histories("helper") == ()
    published = await scene.publisher.publish(shared("sound"), probe=True)
    assert [(result.alias, result.ok) for result in published.probes] == [("main", True)]


async def test_whoever_publishes_other_limits_for_an_account_is_told_whose_they_differ_from(
    scene: Scene,
) -> None:
    def limited(name: str, rpm: int) -> Publication:
        model = {"model": "m", "base_url": "http://127.0.0.1:9/v1", "limits": {"rpm": rpm}}
        return version("m", name, models={"main": model}, deployment="shared")

    assert (await scene.publisher.publish(limited("strict", 5), False)).warnings == ()
    (warning,) = (await scene.publisher.publish(limited("lenient", 50), False)).warnings
    assert (warning.where, warning.severity) == ("models.main", "warning")
    assert "`main` of `strict`" in warning.message
    assert (await scene.publisher.publish(limited("lenient", 5), False)).warnings == ()


async def test_nobody_is_told_anything_before_the_first_offer_is_up(journal: JournalActor) -> None:
    scene = Scene(journal, Apps())
    assert await scene.publisher.watch(5, 0.0) == Roll(0, ())
    await scene.publisher.offer(Offer(workflows=(pass_through("helper", "one"),), at=1.0, recorded=False))
    assert await scene.look() == {"helper": "one"}
    assert await scene.publisher.histories(None) == ()
    await scene.publisher.close()


async def test_who_spoke_last_decides_between_a_configuration_and_a_publication(
    journal: JournalActor,
) -> None:
    first = Scene(journal, Apps())
    config = Offer(workflows=(pass_through("helper", "of the config"),), at=10.0, everything=True)
    await first.publisher.offer(config)
    await first.publisher.publish(version("of the api"), probe=False)
    await first.publisher.offer(config)
    assert await first.look() == {"helper": "of the api"}
    after_a_restart = Scene(journal, first.apps)
    await after_a_restart.publisher.offer(config)
    assert await after_a_restart.look() == {"helper": "of the api"}
    applied_again = replace(config, at=1e12)
    await after_a_restart.publisher.offer(applied_again)
    assert await after_a_restart.look() == {"helper": "of the config"}
    await first.publisher.close()
    await after_a_restart.publisher.close()


async def test_a_server_that_names_its_models_serves_these_and_what_is_published_meanwhile(
    journal: JournalActor,
) -> None:
    first = Scene(journal, Apps())
    await first.publisher.offer(Offer(at=0.0))
    await first.publisher.publish(shared("old", "forgotten"), probe=False)
    later = 1e12
    second = Scene(journal, Apps())
    named = Offer(workflows=(pass_through("helper", "one", deployment="shared"),), at=later)
    await second.publisher.offer(named)
    assert set(await second.look()) == {"helper"}
    everything = Scene(journal, Apps())
    await everything.publisher.offer(Offer(at=later, everything=True))
    assert set(await everything.look()) == {"helper", "forgotten"}


async def test_a_publisher_that_was_restarted_restores_what_was_published_on_a_server_that_records_nothing(
    journal: JournalActor,
) -> None:
    offer = Offer(workflows=(pass_through("demo", "one", deployment="shared"),), at=1.0, recorded=False)
    first = Scene(journal, Apps())
    await first.publisher.offer(offer)
    await first.publisher.publish(shared("two"), probe=False)
    second = Scene(journal, Apps())
    await second.publisher.offer(offer)
    assert await second.look() == {"demo": "one", "helper": "two"}


async def test_what_cannot_be_brought_up_is_told_and_the_rest_is_served(journal: JournalActor) -> None:
    scene = Scene(journal, Apps())
    scene.apps.broken.add("bad@1")
    offer = Offer(workflows=(pass_through("bad", "m"), pass_through("good", "m")), at=1.0)
    (trouble,) = await scene.publisher.offer(offer)
    assert trouble.virtual_model == "bad"
    assert set(await scene.look()) == {"good"}
    await scene.publisher.close()
