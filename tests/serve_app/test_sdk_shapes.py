"""The strict comparer itself can fail."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.serve_app.sdk_shapes import assert_completion

GOOD: dict[str, Any] = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hi", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def test_an_exact_body_passes() -> None:
    assert_completion(GOOD)


def test_an_extra_field_is_found_at_any_depth() -> None:
    choice = {**GOOD["choices"][0], "message": {**GOOD["choices"][0]["message"], "mood": "good"}}
    with pytest.raises(AssertionError, match="extra mood"):
        assert_completion({**GOOD, "choices": [choice]})


def test_a_missing_nullable_field_is_found() -> None:
    choice = {name: value for name, value in GOOD["choices"][0].items() if name != "logprobs"}
    with pytest.raises(AssertionError, match="missing logprobs"):
        assert_completion({**GOOD, "choices": [choice]})


def test_a_mistyped_field_is_found() -> None:
    with pytest.raises(ValidationError, match="created"):
        assert_completion({**GOOD, "created": "1"})
