"""Compares JSON with the official SDKs' types, strictly: nothing missing, mistyped or extra."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from anthropic.types import Message, ModelInfo, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, TypeAdapter

EXTENSIONS = {"stellarator", "reasoning_content"}
"""What we send beyond the SDKs' types, on purpose."""

# OpenAI's API document requires these although its SDK gives them a default.
_REQUIRED_WHERE = {
    "ChatCompletionMessage": {"content", "refusal"},
    "Choice": {"logprobs", "finish_reason"},
}

# Anthropic's API document requires every field but these; `wire` says why a text has no citations.
_OPTIONAL_WHERE = {"TextBlock": {"citations"}, "ToolUseBlock": {"toolset_name"}}
_EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def assert_exact(kind: type[BaseModel], payload: dict[str, Any]) -> None:
    """Check one JSON object against an SDK type."""
    parsed = kind.model_validate(payload, strict=True)
    problems = list(_problems(parsed, kind.__name__))
    assert not problems, problems


def assert_completion(payload: dict[str, Any]) -> None:
    assert_exact(ChatCompletion, payload)
    assert "usage" in payload


def assert_chunk(payload: dict[str, Any]) -> None:
    assert_exact(ChatCompletionChunk, payload)


def assert_model(payload: dict[str, Any]) -> None:
    assert_exact(Model, payload)


def assert_message(payload: dict[str, Any]) -> None:
    _assert_whole(Message.model_validate(payload, strict=True))


def assert_event(payload: dict[str, Any]) -> RawMessageStreamEvent:
    """Check one event of a Messages stream; gives it as the SDK's type."""
    event = _EVENT.validate_python(payload, strict=True)
    _assert_whole(event)
    return event


def assert_model_info(payload: dict[str, Any]) -> None:
    _assert_whole(ModelInfo.model_validate_json(json.dumps(payload), strict=True))


def assert_anthropic_error(payload: dict[str, Any]) -> None:
    # The SDK has no type for this one, which only Anthropic's documentation of errors names.
    if payload["error"]["type"] == "request_too_large":
        payload = {**payload, "error": {**payload["error"], "type": "api_error"}}
    _assert_whole(ErrorResponse.model_validate(payload, strict=True))


def _assert_whole(parsed: BaseModel) -> None:
    problems = [*_problems(parsed, type(parsed).__name__), *_unset(parsed, type(parsed).__name__)]
    assert not problems, problems


def _unset(value: object, where: str) -> Iterator[str]:
    """Fields of Anthropic's types that are not there, although its API document requires them."""
    if isinstance(value, BaseModel):
        required = type(value).model_fields.keys() - _OPTIONAL_WHERE.get(type(value).__name__, set())
        for name in required - value.model_fields_set:
            yield f"{where}: missing {name}"
        for name in type(value).model_fields:
            yield from _unset(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unset(item, f"{where}.{index}")


def _problems(value: object, where: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in (value.model_extra or {}).keys() - EXTENSIONS:
            yield f"{where}: extra {name}"
        for name in _REQUIRED_WHERE.get(type(value).__name__, set()) - value.model_fields_set:
            yield f"{where}: missing {name}"
        for name in type(value).model_fields:
            yield from _problems(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, f"{where}.{index}")
