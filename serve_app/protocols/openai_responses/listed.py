"""Input items as they are listed: what clients may leave out is put in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from serve_app.protocols.openai_responses import wire, wire_out
from workflows.errors import RequestInvalid

Order: TypeAlias = Literal["asc", "desc"]

_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "function_call_output": "fco",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "compaction": "cmp",
}


def listed(items: Iterable[wire.Item], response_id: str) -> list[dict[str, Any]]:
    """Every item with an id, a status where its type has one, and content in parts."""
    run = response_id.partition("_")[2]
    return [_listed(item, f"{run}_in{place}") for place, item in enumerate(items)]


def page(items: Sequence[dict[str, Any]], after: str, limit: int, order: Order) -> wire_out.ItemList:
    """At most `limit` items behind the one of id `after`; `items` are given oldest first.

    Raises:
        RequestInvalid: there is no such item.
    """
    ordered = items if order == "asc" else items[::-1]
    places = [place for place, item in enumerate(ordered, 1) if item["id"] == after]
    if after and not places:
        raise RequestInvalid("after", f"Item with id '{after}' not found.")
    rest = ordered[places[0] :] if places else ordered
    shown = list(rest[:limit])
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": len(rest) > limit,
    }


def _listed(item: wire.Item, place: str) -> dict[str, Any]:
    plain = {"type": item.type, **item.model_dump(mode="json", by_alias=True, exclude_unset=True)}
    plain["id"] = plain.get("id") or f"{_PREFIXES.get(item.type or '', 'item')}_{place}"
    match item:
        case wire.MessageItem():
            plain["status"] = plain.get("status") or "completed"
            plain["content"] = _content(item)
        case wire.FunctionCallItem() | wire.CustomCallItem() | wire.CallOutputItem():
            plain["status"] = plain.get("status") or "completed"
    return plain


def _content(item: wire.MessageItem) -> list[dict[str, Any]]:
    if isinstance(item.content, list):
        return [_part(part) for part in item.content]
    if item.role == "assistant":
        return [{"type": "output_text", "text": item.content or "", "annotations": []}]
    return [{"type": "input_text", "text": item.content or ""}]


def _part(part: wire.ContentPart) -> dict[str, Any]:
    plain = part.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(part, wire.ImagePart):
        plain.setdefault("detail", "auto")
    return plain
