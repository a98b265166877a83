"""Input items as they are listed: what clients may leave out is put in. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serve_app.protocols.openai_responses import wire

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
