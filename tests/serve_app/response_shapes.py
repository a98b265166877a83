"""Compares JSON with the official SDK's types of Responses, strictly: nothing missing, mistyped or extra."""

from __future__ import annotations

from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_item_list import ResponseItemList
from pydantic import TypeAdapter

from tests.serve_app.sdk_shapes import assert_exact

_EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)

# OpenAI's API document requires these although its SDK gives them a default.
_REQUIRED = {
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "metadata",
    "status",
    "temperature",
    "text",
    "top_p",
    "truncation",
    "usage",
}


def assert_response(payload: dict[str, Any]) -> None:
    assert payload.keys() >= _REQUIRED
    assert_exact(Response, payload)


def assert_response_event(payload: dict[str, Any]) -> None:
    event = _EVENT.validate_python(payload, strict=True)
    assert event.type == payload["type"]
    assert_exact(type(event), payload)
    if "response" in payload:
        assert_response(payload["response"])


def assert_item_list(payload: dict[str, Any]) -> None:
    assert_exact(ResponseItemList, payload)
