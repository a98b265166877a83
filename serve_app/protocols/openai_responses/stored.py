"""Responses that were stored: found again in the journal, which keeps every run anyway.

A response's id says which run it is; what the client asked is in the run's beginning (`RunRequest.door`), the answer in
the turns of the main LLM, which are told to an encoder once more. So there is no second store that could disagree.
What is not found: runs of clients that said `store: false`, deleted ones, other doors' runs, and everything when the
journal keeps no contents.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from serve_app.errors import AnswerError, fault_of
from serve_app.hosting import Records
from serve_app.protocols.openai_responses import wire, wire_out
from serve_app.protocols.openai_responses.body import begun, run_id_of
from serve_app.protocols.openai_responses.items import PROTOCOL, is_progress
from serve_app.protocols.openai_responses.stream import ResponseEncoder
from serve_app.protocols.openai_responses.translate import asked, form_of, input_items
from workflows.answer import AnswerFailed
from workflows.errors import RequestInvalid, ResponseNotFound
from workflows.events import AnswerWithdrawn, Event, RunStarted, StepStarted
from workflows.replay import ending
from workflows.retelling import told_again

_items: TypeAdapter[list[wire.Item]] = TypeAdapter(list[wire.Item])


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored response, and the items that it answers."""

    response: wire_out.Response
    items: list[wire.Item]


@dataclass(frozen=True, slots=True)
class _Found:
    """What the journal has of a stored response: all events of its run, and the request as it was."""

    events: Sequence[Event]
    start: RunStarted
    body: wire.ResponseRequest
    items: list[wire.Item]

    def encoder(self, clock: Callable[[], float], after: int = -1) -> ResponseEncoder:
        """What tells its stream again, from behind the event of that number on."""
        response = begun(self.body, self.start.run_id, int(self.start.at))
        form = form_of(self.body, asked(self.body, self.items))
        return ResponseEncoder(response, self.start.run_id, form, clock, after)


async def stored(records: Records, id_: str) -> Stored:
    """The response with that id.

    Raises:
        ResponseNotFound: there is none.
    """
    found = await _find(records, id_)
    return Stored(_response(found), found.items)


async def stream_encoder(records: Records, id_: str, after: int) -> ResponseEncoder:
    """What tells the stream of that response from behind the event of that number on; raises as `stored` does."""
    return (await _find(records, id_)).encoder(time.time, after)


async def _find(records: Records, id_: str) -> _Found:
    events = await records.events(run_id_of(id_))
    start = next((event for event in events if isinstance(event, RunStarted)), None)
    is_withdrawn = any(isinstance(event, AnswerWithdrawn) for event in events)
    if start is None or is_withdrawn or start.protocol != PROTOCOL or not start.door:
        raise ResponseNotFound(id_)
    body = wire.ResponseRequest.model_validate(start.door["body"])
    return _Found(events, start, body, _items.validate_python(start.door["items"]))


async def conversation(
    records: Records, body: wire.InputRequest, before: Stored | None = None
) -> list[wire.Item]:
    """The whole conversation of a request: what it continues, and references to earlier items resolved.

    `before` is the response that it continues, when that is at hand; else it is looked for in the journal.

    Raises:
        RequestInvalid: what it continues or refers to is not stored.
    """
    items = input_items(body)
    if body.previous_response_id and before is None:
        try:
            before = await stored(records, body.previous_response_id)
        except ResponseNotFound as error:
            raise RequestInvalid("previous_response_id", str(error)) from error
    if before is not None:
        items = [*before.items, *_output(before), *items]
    items = [item for item in items if not is_progress(item)]
    known = _by_id(before)
    for item in items:
        if (name := _referred(item)) and name not in known:
            known |= await _items_beside(records, name)
    return [known[name] if (name := _referred(item)) else item for item in items]


def _referred(item: wire.Item) -> str:
    """The id of the earlier item that this one stands for; empty for an item of its own."""
    if isinstance(item, wire.OtherItem) and item.type in {None, "item_reference"}:
        return item.id or ""
    return ""


async def _items_beside(records: Records, name: str) -> dict[str, wire.Item]:
    """The items of the response that the named one belongs to, by id."""
    try:
        beside = await stored(records, name)
    except ResponseNotFound:
        beside = None
    found = _by_id(beside)
    if name not in found:
        raise RequestInvalid("input", f"Item with id '{name}' not found.")
    return found


def _by_id(of: Stored | None) -> dict[str, wire.Item]:
    return {str(item.id): item for item in _output(of) if hasattr(item, "id")} if of else {}


def _output(of: Stored) -> list[wire.Item]:
    return _items.validate_python(of.response["output"])


def _response(found: _Found) -> wire_out.Response:
    """The response as it was given, or as it stands while its run is under way."""
    end = ending(found.events)
    encoder = found.encoder(lambda: end.at if end else 0)
    begun_as = encoder.response
    for event in told_again(found.events):
        if isinstance(event, AnswerFailed):
            encoder.failed(fault_of(AnswerError(event.failure), found.start.run_id))
        else:
            encoder.encode(event)
    if end is not None:
        return encoder.response
    has_begun = any(isinstance(event, StepStarted) for event in found.events)
    return {**begun_as, "status": "in_progress" if has_begun else begun_as["status"]}
