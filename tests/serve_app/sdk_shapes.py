"""Compares JSON with the official SDK's types, strictly: nothing missing, mistyped or extra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

EXTENSIONS = {"stellarator", "reasoning_content"}
"""What we send beyond OpenAI's types, on purpose."""

# OpenAI's API document requires these although its SDK gives them a default.
_REQUIRED_WHERE = {
    "ChatCompletionMessage": {"content", "refusal"},
    "Choice": {"logprobs", "finish_reason"},
}


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
