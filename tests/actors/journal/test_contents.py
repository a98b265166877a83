"""Events to rows and back, without a database."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from actors.journal.contents import LARGE, compressed, decompressed, pack, references, unpack
from tests.workflows import stories
from tests.workflows.stories import fusion_run
from workflows.events import Event, RunStarted


@settings(deadline=None)
@given(stories.events)
def test_unpacking_undoes_packing(event: Event) -> None:
    packed = pack(event)
    parts = {digest: decompressed(compressed(part)) for digest, part in packed.contents.items()}
    assert unpack(packed.body, packed.refs, parts) == event


@settings(deadline=None)
@given(stories.events)
def test_every_reference_is_to_a_part_that_was_set_aside(event: Event) -> None:
    packed = pack(event)
    assert {digest for _, digest in references(packed.refs)} == set(packed.contents)
    assert all(len(part) > LARGE for part in packed.contents.values())


@settings(deadline=None)
@given(stories.events)
def test_what_goes_into_the_database_is_ascii(event: Event) -> None:
    packed = pack(event)
    assert (packed.body + (packed.refs or "")).isascii()
    assert "\x00" not in packed.body


def test_a_small_event_is_stored_as_it_is() -> None:
    assert [pack(event).refs for event in fusion_run()] == [None] * len(fusion_run())


def test_a_large_message_is_set_aside_by_itself_and_its_event_stays_small() -> None:
    packed = pack(fusion_run(text="x" * 10 * LARGE)[0])
    assert [path for path, _ in references(packed.refs)] == [("request", "messages", 0)]
    assert len(packed.body) < LARGE


def test_what_a_door_keeps_is_set_aside_item_by_item() -> None:
    started = fusion_run()[0]
    assert isinstance(started, RunStarted)
    large = {"content": "x" * 2 * LARGE}
    kept = replace(started, door={"items": [{"content": "small"}, large], "body": {}})
    packed = pack(kept)
    assert [path for path, _ in references(packed.refs)] == [("door", "items", 1)]
    assert unpack(packed.body, packed.refs, packed.contents) == kept


def test_many_small_messages_are_set_aside_together() -> None:
    started = fusion_run()[0]
    assert isinstance(started, RunStarted)
    request = started.request.extended(*(started.request.messages * 200))
    packed = pack(replace(started, request=request))
    assert [path for path, _ in references(packed.refs)] == [("request",)]
