"""Neutral answers as Anthropic Messages."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.protocols.anthropic_messages.translate import (
    INVALID_JSON,
    whole_message,
)
from tests.serve_app.protocols.anthropic_messages.test_translate import HELLO, asked, run
from tests.serve_app.scripted_host import finished
from tests.serve_app.sdk_shapes import assert_message
from workflows.messages import (
    FinishReason,
    Message,
    Reasoning,
    ToolCall,
)

any_text = st.text(st.characters(exclude_categories=()))
some_text = st.text(st.characters(exclude_categories=()), min_size=1)
objects = st.dictionaries(any_text, st.integers() | any_text | st.lists(st.booleans()), max_size=3)
tool_calls = st.builds(ToolCall, id=some_text, name=some_text, arguments=any_text | objects.map(json.dumps))


def answered(end: Any, *, thinking: bool = True) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(json.dumps(whole_message(run(), end, thinking=thinking)))
    return payload


@given(any_text, st.lists(tool_calls, max_size=3), any_text, st.none() | st.floats(0, 9))
def test_every_body_is_exactly_of_the_sdks_type(
    text: str, calls: list[ToolCall], reasoning: str, cost: float | None
) -> None:
    payload = answered(finished(text, *calls, reasoning=reasoning, cost_usd=cost))
    assert_message(payload)
    usage = payload["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (8, 3, 7)
    assert payload["stellarator"]["total_usage"]["input_tokens"] == 110
    assert payload["stellarator"]["cost_usd"] == cost


object_calls = st.builds(
    ToolCall,
    id=some_text,
    name=some_text,
    arguments=objects.map(lambda given: json.dumps(given, ensure_ascii=False)),
)


@given(any_text, st.lists(object_calls, max_size=3), any_text)
def test_an_answer_that_the_client_sends_back_is_the_message_that_it_was(
    text: str, calls: list[ToolCall], reasoning: str
) -> None:
    end = finished(text, *calls, reasoning=reasoning)
    sent_back = {"role": "assistant", "content": answered(end)["content"]}
    returned = asked(HELLO, sent_back).messages[1].parts
    unsigned = (replace(part, signature="") if isinstance(part, Reasoning) else part for part in returned)
    assert Message("assistant", tuple(unsigned)) == end.message


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
    ],
)
def test_every_finish_reason_has_its_word(reason: FinishReason, told: str) -> None:
    assert answered(replace(finished("Hi"), finish_reason=reason))["stop_reason"] == told


def test_the_stop_sequence_that_ended_an_answer_is_named() -> None:
    payload = answered(replace(finished("Hi"), stop_sequence="END"))
    assert (payload["stop_reason"], payload["stop_sequence"]) == ("stop_sequence", "END")
    assert answered(finished("Hi"))["stop_sequence"] is None


@pytest.mark.parametrize("arguments", ["[1]", "{", "not json", '{"a": NaN}', "[" * 100_000, '"text"'])
def test_arguments_that_are_no_json_object_are_kept_under_a_name(arguments: str) -> None:
    [block] = answered(finished("", ToolCall("c1", "look", arguments)))["content"]
    assert block["input"] == {INVALID_JSON: arguments}


def test_no_arguments_are_an_empty_object() -> None:
    assert answered(finished("", ToolCall("c1", "look", "")))["content"][0]["input"] == {}


def test_thoughts_are_signed_and_left_out_for_clients_that_do_not_want_them() -> None:
    end = finished("Hi", reasoning="Hmm")
    assert answered(end)["content"][0] == {"type": "thinking", "thinking": "Hmm", "signature": "1"}
    assert answered(end, thinking=False)["content"] == [{"type": "text", "text": "Hi"}]
