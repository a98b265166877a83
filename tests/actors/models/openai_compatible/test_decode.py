from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.models.openai_compatible.decode import Answer, read_usage
from actors.models.openai_compatible.proofs import proven
from tests.actors.models.sums import check_sum
from workflows.errors import UpstreamMalformed, UpstreamRefused
from workflows.messages import (
    ChatRequest,
    Completion,
    Delta,
    Message,
    Reasoning,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

ASKED = ChatRequest((Message.of("user", "x" * 40),))


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "served", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int | None, call_id: str | None = None, name: str | None = None, arguments: Any = "") -> Any:
    told: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        told["index"] = index
    if call_id is not None:
        told["id"] = call_id
    if name is not None:
        told["function"]["name"] = name
    return told


def heard(*chunks: dict[str, Any], done: bool = True) -> tuple[list[Delta], Completion]:
    answer = Answer("asked", ASKED)
    deltas = [delta for each in chunks for delta in answer.feed(each)]
    completion = answer.completion(done=done)
    check_sum(deltas, completion)
    return deltas, completion


def test_text_arrives_piece_by_piece_and_adds_up() -> None:
    deltas, completion = heard(
        chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk("stop")
    )
    assert deltas == [TextDelta("Hel"), TextDelta("lo")]
    assert (completion.message.text, completion.finish_reason) == ("Hello", "stop")
    assert (completion.model, completion.response_id) == ("served", "c1")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_is_kept_apart_under_either_name(name: str) -> None:
    deltas, completion = heard(chunk(**{name: "hm"}), chunk(content="yes"), chunk("stop"))
    assert deltas == [ReasoningDelta("hm"), ReasoningDelta("", name), TextDelta("yes")]
    assert completion.message.parts[0] == Reasoning("hm", name)


def test_think_tags_in_the_text_are_left_alone() -> None:
    _, completion = heard(chunk(content="<think>hm</think>yes"), chunk("stop"))
    assert completion.message.text == "<think>hm</think>yes"


def test_parallel_calls_are_told_apart_by_index() -> None:
    deltas, completion = heard(
        chunk(tool_calls=[call(0, "a", "f", "")]),
        chunk(tool_calls=[call(0, arguments='{"x"')]),
        chunk(tool_calls=[call(1, "b", "g", "{}")]),
        chunk(tool_calls=[call(0, arguments=": 1}")]),
        chunk("tool_calls"),
    )
    assert completion.message.tool_calls == (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "{}"))
    assert completion.finish_reason == "tool_calls"
    assert deltas[0] == ToolCallDelta(0, "a", "f", "")


def test_calls_that_all_claim_index_0_are_told_apart_by_id() -> None:
    _, completion = heard(
        chunk(tool_calls=[call(0, "a", "f", "{}")]),
        chunk(tool_calls=[call(0, "b", "f", "{}")]),
        chunk("stop"),
    )
    assert [each.id for each in completion.message.tool_calls] == ["a", "b"]


def test_calls_without_index_and_id_are_one_call_each() -> None:
    _, completion = heard(
        chunk(tool_calls=[call(None, "", "f", "{}")]),
        chunk(tool_calls=[call(None, "", "g", "{}")]),
        chunk("stop"),
    )
    first, second = completion.message.tool_calls
    assert (first.name, second.name) == ("f", "g")
    assert first.id != second.id


def test_a_new_id_on_every_piece_does_not_split_a_call() -> None:
    _, completion = heard(
        chunk(tool_calls=[call(0, "a", "f", "{")]),
        chunk(tool_calls=[call(0, "b", None, "}")]),
        chunk("tool_calls"),
    )
    assert completion.message.tool_calls == (ToolCall("a", "f", "{}"),)


def test_a_name_that_comes_late_holds_its_arguments_back() -> None:
    deltas, _ = heard(
        chunk(tool_calls=[call(0, "a", None, '{"x":')]),
        chunk(tool_calls=[call(0, None, "f", "1}")]),
        chunk("stop"),
    )
    assert deltas == [ToolCallDelta(0, "a", "f", '{"x":1}')]


def test_arguments_that_are_an_object_become_json_text() -> None:
    _, completion = heard(chunk(tool_calls=[call(0, "a", "f", {"x": 1})]), chunk("stop"))
    assert completion.message.tool_calls[0].arguments == '{"x": 1}'


def test_a_stop_after_tool_calls_is_a_tool_call() -> None:
    _, completion = heard(chunk(tool_calls=[call(0, "a", "f", "{}")]), chunk("stop"))
    assert completion.finish_reason == "tool_calls"


def test_thinking_before_a_call_remembers_how_it_must_be_sent_back() -> None:
    details = [
        {"type": "reasoning.text", "text": "a", "index": 0, "signature": None},
        {"type": "reasoning.text", "text": "b", "index": 0, "signature": "proof"},
        {"type": "reasoning.encrypted", "data": "xyz", "index": 1},
    ]
    deltas, completion = heard(
        *(chunk(reasoning=d.get("text", ""), reasoning_details=[d]) for d in details),
        chunk(tool_calls=[call(0, "a", "f", "{}")]),
        chunk("tool_calls"),
    )
    thought = completion.message.parts[0]
    assert isinstance(thought, Reasoning)
    assert proven(thought.signature, thought.text, "asked") == {
        "reasoning": "ab",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "ab", "index": 0, "signature": "proof"},
            {"type": "reasoning.encrypted", "data": "xyz", "index": 1},
        ],
    }
    assert ReasoningDelta("", thought.signature) in deltas


def test_signed_thinking_blocks_are_put_together_one_by_one() -> None:
    def piece(thinking: str = "", signature: str | None = None) -> dict[str, Any]:
        return chunk(thinking_blocks=[{"type": "thinking", "thinking": thinking, "signature": signature}])

    _, completion = heard(
        piece("one, "), piece("two"), piece(signature="proof"), piece("three", "again"),
        chunk(tool_calls=[call(0, "a", "f", "{}")]),
        chunk("tool_calls"),
    )  # fmt: skip
    thought = completion.message.parts[0]
    assert isinstance(thought, Reasoning)
    assert proven(thought.signature, thought.text, "asked") == {
        "thinking_blocks": [
            {"type": "thinking", "thinking": "one, two", "signature": "proof"},
            {"type": "thinking", "thinking": "three", "signature": "again"},
        ]
    }


def test_an_answer_in_one_piece_is_understood() -> None:
    whole = {
        "id": "c1",
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "All at once"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    deltas, completion = heard(whole)
    assert deltas == [TextDelta("All at once")]
    assert completion.usage == Usage(3, 2)


def test_usage_is_the_servers_when_it_counts() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 12},
        "cost": 0.0015,
    }
    _, completion = heard(chunk(content="x"), chunk("stop"), {"choices": [], "usage": usage})
    assert completion.usage == Usage(100, 20, 64, 12, estimated=False)
    assert completion.cost_usd == 0.0015


def test_deepseeks_cache_hits_are_counted() -> None:
    assert read_usage({"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}).cached_input_tokens == 5


def test_usage_is_an_estimate_and_says_so_when_the_server_does_not_count() -> None:
    _, completion = heard(chunk(content="y" * 12), chunk("stop"))
    assert completion.usage == Usage(10, 3, estimated=True)
    assert completion.cost_usd is None


def test_a_finish_reason_may_be_missing_when_the_server_says_done() -> None:
    _, completion = heard(chunk(content="x"))
    assert completion.finish_reason == "stop"


@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(("told", "known"), [("END", "END"), ("OTHER", ""), (151645, ""), (None, "")])
def test_the_stop_sequence_that_ended_an_answer_is_kept_where_a_server_names_it(
    name: str, told: Any, known: str
) -> None:
    """A number is a token of the model's own."""
    answer = Answer("m", replace(ASKED, sampling=Sampling(stop=("END",))))
    last = chunk("stop", content="Hi")
    last["choices"][0][name] = told
    assert list(answer.feed(last)) == [TextDelta("Hi")]
    assert list(answer.feed(chunk())) == []
    assert answer.completion().stop_sequence == known


def test_a_stream_that_breaks_off_is_malformed() -> None:
    with pytest.raises(UpstreamMalformed, match="broke off"):
        heard(chunk(content="half an ans"), done=False)


def test_a_refusal_is_the_visible_answer() -> None:
    _, completion = heard(chunk(refusal="I cannot help with that"), chunk("stop"))
    assert completion.message.text == "I cannot help with that"


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([chunk("stop")], "empty"),
        ([chunk(reasoning="long thoughts"), chunk("length")], "max_tokens"),
        ([chunk(reasoning="hm"), chunk("stop")], "empty"),
    ],
)
def test_an_answer_with_nothing_to_show_is_malformed(chunks: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(UpstreamMalformed, match=said):
        heard(*chunks)


def test_an_answer_that_a_filter_emptied_is_refused() -> None:
    with pytest.raises(UpstreamRefused, match="content filter"):
        heard(chunk("content_filter"))


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": ["text"]},
        {"choices": [{"delta": "text"}]},
        {"choices": 7},
        {"choices": [{"delta": {"tool_calls": [1]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": "first"}]}}]},
        {"usage": "many"},
        {"usage": {"prompt_tokens": "many"}},
    ],
)
def test_a_chunk_of_another_shape_is_malformed(odd: dict[str, Any]) -> None:
    with pytest.raises(UpstreamMalformed):
        heard(odd)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "index",
                    "id",
                    "usage",
                    "reasoning",
                    "type",
                    "text",
                    "reasoning_details",
                    "arguments",
                    "finish_reason",
                    "prompt_tokens",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(["choices", "usage", "id"]), json_values), max_size=4))
def test_whatever_json_a_server_sends_ends_in_an_answer_or_in_our_error(chunks: list[dict[str, Any]]) -> None:
    try:
        heard(*chunks)
    except (UpstreamMalformed, UpstreamRefused):
        return


pieces = st.one_of(
    st.builds(lambda text: chunk(content=text), st.text(max_size=5)),
    st.builds(lambda text: chunk(reasoning_content=text), st.text(max_size=5)),
    st.builds(
        lambda index, named, text: chunk(
            tool_calls=[call(index, f"id{index}" if named else None, "f" if named else None, text)]
        ),
        st.integers(0, 2),
        st.booleans(),
        st.text(max_size=5),
    ),
)


@given(st.lists(pieces, max_size=15))
def test_the_completion_is_always_the_sum_of_its_deltas(chunks: list[dict[str, Any]]) -> None:
    heard(*chunks, chunk(content="end"))
