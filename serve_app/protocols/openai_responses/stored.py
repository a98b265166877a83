"""Responses that were stored: found again in the journal, which keeps every run anyway.

A response's id says which run it is; what the client asked is in the run's beginning (`RunRequest.door`), the answer in
the turns of the main LLM, which are told to an encoder once more. So there is no second store that could disagree.
What is not found: runs of clients that said `store: false`, deleted ones, other doors' runs, and everything when the
journal keeps no contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from serve_app.errors import AnswerError, fault_of
from serve_app.hosting import Records
from serve_app.protocols.openai_responses import wire, wire_out
from serve_app.protocols.openai_responses.body import begun, run_id_of
from serve_app.protocols.openai_responses.items import PROTOCOL, is_progress
from serve_app.protocols.openai_responses.stream import ResponseEncoder
from serve_app.protocols.openai_responses.translate import asked, form_of, input_items
from workflows.answer import AnswerFinished
from workflows.errors import RequestInvalid, ResponseNotFound
from workflows.events import (
    AnswerWithdrawn,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from workflows.messages import Delta, Message, Reasoning, ReasoningDelta, Text, TextDelta, ToolCallDelta
from workflows.relay import Relay

_items: TypeAdapter[list[wire.Item]] = TypeAdapter(list[wire.Item])


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored response, and the items that it answers."""

    response: wire_out.Response
    items: list[wire.Item]


async def stored(records: Records, id_: str) -> Stored:
    """The response with that id.

    Raises:
        ResponseNotFound: there is none.
    """
    events = await records.events(run_id_of(id_))
    start = next((event for event in events if isinstance(event, RunStarted)), None)
    is_withdrawn = any(isinstance(event, AnswerWithdrawn) for event in events)
    if start is None or is_withdrawn or start.protocol != PROTOCOL or not start.door:
        raise ResponseNotFound(id_)
    body = wire.ResponseRequest.model_validate(start.door["body"])
    items = _items.validate_python(start.door["items"])
    return Stored(_response(start, body, items, events), items)


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


def _response(
    start: RunStarted, body: wire.ResponseRequest, items: Sequence[wire.Item], events: Sequence[Event]
) -> wire_out.Response:
    """The response as it was given, or as it stands while its run is under way."""
    response = begun(body, start.run_id, int(start.at))
    understood = asked(body, items)
    end = next((e for e in events if isinstance(e, RunFinished | RunFailed | RunCancelled)), None)
    encoder = ResponseEncoder(response, start.run_id, form_of(body, understood), lambda: end.at if end else 0)
    for delta in _deltas(events):
        encoder.encode(delta)
    match end:
        case RunFinished():
            encoder.encode(_finished(end))
        case RunFailed():
            encoder.failed(fault_of(AnswerError(end.failure), start.run_id))
        case RunCancelled():
            return {**response, "status": "cancelled"}
        case None:
            return response
    return encoder.response


def _deltas(events: Sequence[Event]) -> Iterator[Delta]:
    """What the client saw of the main LLM's turns, told again."""
    turns: set[str] = set()
    mounted: set[str] = set()
    for event in events:
        if isinstance(event, StepStarted) and event.step_kind == "turn":
            turns.add(event.step_id)
        if isinstance(event, StepStarted) and event.step_kind == "tool" and event.call:
            mounted.add(event.call.name)
    relay = Relay(events[0].run_id if events else "", frozenset(mounted))
    for event in events:
        if isinstance(event, StepFinished) and event.step_id in turns and event.completion:
            for item in (*_told(event.completion.message), event.completion):
                yield from relay.feed(item)


def _told(message: Message) -> Iterator[Delta]:
    for part in message.parts:
        match part:
            case Text(text):
                yield TextDelta(text)
            case Reasoning(text, signature):
                yield ReasoningDelta(text, signature)
            case _:
                continue
    for index, call in enumerate(message.tool_calls):
        yield ToolCallDelta(index, call.id, call.name, call.arguments)


def _finished(end: RunFinished) -> AnswerFinished:
    """The end without its message: the encoder has that from the deltas."""
    reason: Any = end.finish_reason
    return AnswerFinished(
        message=Message("assistant", ()),
        finish_reason=reason,
        usage=end.usage,
        total_usage=end.total_usage,
        cost_usd=end.cost_usd,
        panel=end.panel,
    )
