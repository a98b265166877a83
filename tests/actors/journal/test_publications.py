"""Versions of virtual models in the journal, and which of them was active when."""

from __future__ import annotations

import asyncio

import pytest

from actors.journal.actor import JournalActor
from actors.journal.sql import SqlStore
from tests.workflows.publishing import pass_through
from workflows.errors import PublicationNotFound
from workflows.publications import Activation, Cause, Publication, drafted


def version(number: int, name: str = "helper") -> Publication:
    return drafted(pass_through(name, f"model-{number}"), who="ada", at=100.0 + number, note=f"no. {number}")


def moment(number: int | None, cause: Cause = "publish", name: str = "helper") -> Activation:
    return Activation(virtual_model=name, number=number, at=200.0, who="ada", cause=cause)


def test_versions_are_numbered_by_name_and_come_back_as_they_were(store: SqlStore) -> None:
    added = [store.publications.add(version(n)) for n in (1, 2)]
    other = store.publications.add(version(1, "other"))
    assert [p.number for p in (*added, other)] == [1, 2, 1]
    assert store.publications.history("helper").publications == tuple(added)
    assert [h.virtual_model for h in store.publications.histories()] == ["helper", "other"]
    assert added[0].spec() == pass_through("helper", "model-1")


def test_the_same_content_is_the_same_version(store: SqlStore) -> None:
    first = store.publications.add(version(1))
    store.publications.add(version(2))
    assert store.publications.add(version(1)) == first
    assert len(store.publications.history("helper").publications) == 2


def test_the_last_activation_decides_and_a_rollback_goes_to_the_one_before(store: SqlStore) -> None:
    for number in (1, 2):
        store.publications.add(version(number))
        store.publications.activate(moment(number))
    history = store.publications.history("helper")
    assert (history.active and history.active.number, history.before().number) == (2, 1)
    store.publications.activate(moment(1, "rollback"))
    history = store.publications.history("helper")
    assert (history.active and history.active.number, history.before().number) == (1, 2)
    store.publications.activate(moment(None, "unpublish"))
    history = store.publications.history("helper")
    assert history.active is None
    assert history.before().number == 1


def test_what_was_never_published_says_so(store: SqlStore) -> None:
    with pytest.raises(PublicationNotFound, match="Nothing was ever published as `nobody`"):
        store.publications.history("nobody").version(1)
    store.publications.add(version(1))
    with pytest.raises(PublicationNotFound, match=r"no version 7\. There is: 1"):
        store.publications.history("helper").version(7)


async def test_publishers_at_once_get_numbers_of_their_own(url: str) -> None:
    actor = JournalActor(url, capture_content=True)
    added = await asyncio.gather(*(actor.add_publication(version(n)) for n in range(20)))
    assert sorted(p.number for p in added) == list(range(1, 21))
    (history,) = await actor.histories("helper")
    assert len(history.publications) == 20
    await actor.close()
