"""Golden streams: neutral events in, exact bytes out, without a server."""

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from hypothesis import given
from hypothesis import strategies as st

from serve_app.errors import Fault
from serve_app.protocols.anthropic_messages.stream import (
    PINGS_BEFORE_DELTAS,
    MessageEncoder,
    error_event,
)
from serve_app.protocols.anthropic_messages.translate import whole_message
from tests.serve_app.scripted_host import finished
from tests.serve_app.sdk_shapes import assert_event
from workflows.answer import AnswerEvent, AnswerFinished, AnswerStarted, Progress, RunRequest
from workflows.messages import ChatRequest, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage

RUN = "run_0123"
STARTED = AnswerStarted(run_id=RUN, model="fusion-review", created=5)
LOOK, LIST = ToolCall("call_1", "look", '{"q":1}'), ToolCall("call_2", "list", "{}")

OPENING = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_0123","type":"message",'
    '"role":"assistant","model":"fusion-review","content":[],"container":null,"diagnostics":null,'
    '"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":9,'
    '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0,'
    '"output_tokens_details":{"thinking_tokens":0},"server_tool_use":null,"cache_creation":null,'
    '"inference_geo":null,"service_tier":null,"speed":null}}}\n\n'
)
ENDING = (
    'event: message_delta\ndata: {"type":"message_delta","delta":{"container":null,"stop_details":null,'
    '"stop_reason":"%s","stop_sequence":null},"usage":{"input_tokens":8,"cache_creation_input_tokens":0,'
    '"cache_read_input_tokens":3,"output_tokens":7,"output_tokens_details":{"thinking_tokens":2},'
    '"server_tool_use":null},"stellarator":{"run_id":"run_0123","panel":"ran","total_usage":{'
    '"input_tokens":110,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":70,'
    '"output_tokens_details":{"thinking_tokens":0},"server_tool_use":null},"cost_usd":0.0125}}\n\n'
    'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)


def encoder(*, thinking: bool = True) -> MessageEncoder:
    return MessageEncoder(RUN, "fusion-review", Usage(input_tokens=9), thinking=thinking)


def encoded(*events: AnswerEvent, thinking: bool = True) -> str:
    made = encoder(thinking=thinking)
    return (made.opening() + b"".join(map(made.encode, events))).decode()


def frame(name: str, rest: str) -> str:
    return f'event: {name}\ndata: {{"type":"{name}",{rest}}}\n\n'


def start(index: int, block: str) -> str:
    return frame("content_block_start", f'"index":{index},"content_block":{block}')


def delta(index: int, inner: str) -> str:
    return frame("content_block_delta", f'"index":{index},"delta":{inner}')


def stop(index: int) -> str:
    return frame("content_block_stop", f'"index":{index}')


TEXT_BLOCK = '{"type":"text","text":""}'
THINKING_BLOCK = '{"type":"thinking","thinking":"","signature":""}'


def test_a_plain_answer() -> None:
    assert encoded(STARTED, TextDelta("Hel"), TextDelta("lo"), finished("Hello")) == (
        OPENING
        + start(0, TEXT_BLOCK)
        + delta(0, '{"type":"text_delta","text":"Hel"}')
        + delta(0, '{"type":"text_delta","text":"lo"}')
        + stop(0)
        + ENDING % "end_turn"
    )


def test_thinking_text_and_parallel_tool_calls_are_blocks_one_after_the_other() -> None:
    assert encoded(
        ReasoningDelta("Hmm"),
        TextDelta("Hi"),
        ToolCallDelta(0, "call_1", "look"),
        ToolCallDelta(0, arguments='{"q":'),
        ToolCallDelta(0, arguments="1}"),
        ToolCallDelta(1, "call_2", "list", "{}"),
        finished("Hi", LOOK, LIST, reasoning="Hmm"),
    ) == (
        OPENING
        + start(0, THINKING_BLOCK)
        + delta(0, '{"type":"thinking_delta","thinking":"Hmm"}')
        + delta(0, '{"type":"signature_delta","signature":"0123"}')
        + stop(0)
        + start(1, TEXT_BLOCK)
        + delta(1, '{"type":"text_delta","text":"Hi"}')
        + stop(1)
        + start(2, tool_block("call_1", "look"))
        + delta(2, r'{"type":"input_json_delta","partial_json":"{\"q\":"}')
        + delta(2, '{"type":"input_json_delta","partial_json":"1}"}')
        + stop(2)
        + start(3, tool_block("call_2", "list"))
        + delta(3, '{"type":"input_json_delta","partial_json":"{}"}')
        + stop(3)
        + ENDING % "tool_use"
    )


def tool_block(call_id: str, name: str) -> str:
    return f'{{"type":"tool_use","id":"{call_id}","name":"{name}","input":{{}},"caller":{{"type":"direct"}}}}'


def test_a_client_that_does_not_want_to_see_thinking_does_not() -> None:
    stream = encoded(ReasoningDelta("Hmm"), TextDelta("Hi"), finished("Hi", reasoning="Hmm"), thinking=False)
    assert "thinking" not in stream.replace("thinking_tokens", "")


def test_the_stop_sequence_that_ended_an_answer_is_named() -> None:
    stream = encoded(TextDelta("Hi"), replace(finished("Hi"), stop_sequence="END"))
    assert '"stop_reason":"stop_sequence","stop_sequence":"END"}' in stream


def test_an_answer_of_nothing_has_no_block() -> None:
    assert encoded(TextDelta(""), finished("")) == OPENING + ENDING % "end_turn"


def test_calls_that_are_written_at_the_same_time_come_one_after_the_other() -> None:
    made = encoder()
    live = made.encode(ToolCallDelta(0, "call_1", "look", '{"q"'))
    waits = made.encode(ToolCallDelta(1, "call_2", "list", "{"))
    live += made.encode(ToolCallDelta(0, arguments=":1}"))
    waits += made.encode(ToolCallDelta(1, arguments="}"))
    end = made.encode(finished("", LOOK, LIST))
    assert waits == b""
    assert live.decode().count("content_block_delta\n") == 2
    assert end.decode() == (
        stop(0)
        + start(1, tool_block("call_2", "list"))
        + delta(1, '{"type":"input_json_delta","partial_json":"{"}')
        + delta(1, '{"type":"input_json_delta","partial_json":"}"}')
        + stop(1)
        + ENDING % "tool_use"
    )


def test_a_straggling_piece_of_a_finished_call_is_nothing() -> None:
    made = encoder()
    made.encode(ToolCallDelta(0, "call_1", "look", "{}"))
    made.encode(ToolCallDelta(1, "call_2", "list"))
    made.encode(ToolCallDelta(1, arguments="{}"))
    assert made.encode(ToolCallDelta(0)) == b""


# --- signs of life ------------------------------------------------------------------------------------------

PING = 'event: ping\ndata: {"type":"ping"}\n\n'


def pinged(made: MessageEncoder, times: int) -> str:
    return b"".join(made.ping() for _ in range(times)).decode()


def test_a_sign_of_life_is_a_ping() -> None:
    assert pinged(encoder(), PINGS_BEFORE_DELTAS) == PING * PINGS_BEFORE_DELTAS


def test_after_many_pings_empty_thoughts_follow_for_clients_that_hear_no_pings() -> None:
    made = encoder()
    pinged(made, PINGS_BEFORE_DELTAS)
    empty = delta(0, '{"type":"thinking_delta","thinking":""}')
    assert pinged(made, 2) == start(0, THINKING_BLOCK) + empty + empty
    assert (made.encode(TextDelta("Hi")) + made.encode(finished("Hi"))).decode() == (
        delta(0, '{"type":"signature_delta","signature":"stellarator-progress"}')
        + stop(0)
        + start(1, TEXT_BLOCK)
        + delta(1, '{"type":"text_delta","text":"Hi"}')
        + stop(1)
        + ENDING % "end_turn"
    )


@pytest.mark.parametrize(
    ("before", "empty"),
    [
        (TextDelta("Hi"), '{"type":"text_delta","text":""}'),
        (ReasoningDelta("Hm"), '{"type":"thinking_delta","thinking":""}'),
        (ToolCallDelta(0, "call_1", "look", "{"), '{"type":"input_json_delta","partial_json":""}'),
    ],
)
def test_in_mid_answer_the_open_block_gives_the_sign_of_life(before: AnswerEvent, empty: str) -> None:
    made = encoder()
    made.encode(before)
    assert pinged(made, PINGS_BEFORE_DELTAS + 1) == PING * PINGS_BEFORE_DELTAS + delta(0, empty)


def test_pings_are_counted_anew_after_each_piece_of_the_answer() -> None:
    made = encoder()
    pinged(made, PINGS_BEFORE_DELTAS)
    made.encode(TextDelta("Hi"))
    assert pinged(made, 1) == PING


def test_pieces_that_are_not_shown_do_not_count_as_signs_of_life() -> None:
    made = encoder(thinking=False)
    pinged(made, PINGS_BEFORE_DELTAS)
    made.encode(ReasoningDelta("Hmm"))
    assert "thinking_delta" in pinged(made, 1)


def test_an_error_is_an_event_and_no_normal_end() -> None:
    fault = Fault(status=503, code="lane_lost", message="It broke.", headers={})
    assert error_event(fault, "req_1").decode() == (
        'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"It broke."},'
        '"request_id":"req_1"}\n\n'
    )


# --- laws ---------------------------------------------------------------------------------------------------


def parsed(stream: str) -> list[dict[str, Any]]:
    """The events' JSON, read as SSE."""
    found = []
    for each in stream.removesuffix("\n\n").split("\n\n"):
        name, data = each.split("\n")
        payload = json.loads(data.removeprefix("data: "))
        assert name == f"event: {payload['type']}"
        found.append(payload)
    return found


def summed(stream: str) -> dict[str, Any]:
    """What the official SDK adds the events up to."""
    message: Any = None
    buffers: dict[int, bytes] = {}
    for payload in parsed(stream):
        message = accumulate_event(event=assert_event(payload), current_snapshot=message, json_bufs=buffers)
    content = [block.to_dict(exclude_none=True) for block in message.content]
    return {**message.to_dict(exclude_none=True), "content": content}


any_text = st.text(st.characters(exclude_categories=()), max_size=8)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
whole_text = st.text(max_size=8)
"""Without half surrogate pairs, which the SDK cannot read in arguments when the other half never comes."""
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | whole_text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(whole_text, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(whole_text, values, max_size=3)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """A text in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def calls(draw: st.DrawFn) -> list[tuple[ToolCall, list[ToolCallDelta]]]:
    """Tool calls, each with its pieces."""
    made = []
    for index, name in enumerate(draw(st.lists(names, max_size=3))):
        escape = draw(st.booleans())
        call = ToolCall(f"call_{index}", name, json.dumps(draw(objects), ensure_ascii=escape))
        first, *rest = draw(cut(call.arguments))
        pieces = [ToolCallDelta(index, call.id, name, first)]
        made.append((call, pieces + [ToolCallDelta(index, arguments=each) for each in rest]))
    return made


@st.composite
def answers(draw: st.DrawFn) -> tuple[AnswerEvent, ...]:
    """An answer in the order in which models write: thoughts, text, tool calls, and its end."""
    thought, text = draw(any_text), draw(any_text)
    asked = draw(calls())
    pieces: list[AnswerEvent] = [ReasoningDelta(each) for each in draw(cut(thought))]
    pieces += [TextDelta(each) for each in draw(cut(text))]
    pieces += [piece for _, written in asked for piece in written]
    return (STARTED, *pieces, finished(text, *(call for call, _ in asked), reasoning=thought))


@st.composite
def mixed_answers(draw: st.DrawFn) -> tuple[AnswerEvent, ...]:
    """An answer whose thoughts, texts and tool calls come in any order, several of them at a time."""
    asked = draw(calls())
    queues: dict[str, list[AnswerEvent]] = defaultdict(list)
    queues["thought"] += [ReasoningDelta(each) for each in draw(st.lists(any_text, max_size=3))]
    queues["text"] += [TextDelta(each) for each in draw(st.lists(any_text, max_size=3))]
    for call, written in asked:
        queues[call.id] += written
    order = draw(st.permutations([name for name, queue in queues.items() for _ in queue]))
    pieces = [queues[name].pop(0) for name in order]
    thought = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningDelta))
    text = "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))
    return (STARTED, *pieces, finished(text, *(call for call, _ in asked), reasoning=thought))


RUN_REQUEST = RunRequest(
    run_id=RUN, virtual_model="fusion-review", protocol="anthropic_messages", request=ChatRequest(())
)


def unstreamed(events: tuple[AnswerEvent, ...], *, thinking: bool) -> dict[str, Any]:
    end = events[-1]
    assert isinstance(end, AnswerFinished)
    body: dict[str, Any] = json.loads(json.dumps(whole_message(RUN_REQUEST, end, thinking=thinking)))
    return body


@given(answers(), st.booleans())
def test_the_events_add_up_to_the_unstreamed_message(events: tuple[AnswerEvent, ...], thinking: bool) -> None:
    body = unstreamed(events, thinking=thinking)
    message = summed(encoded(*events, thinking=thinking))
    expected = {name: value for name, value in body.items() if value is not None and name != "stellarator"}
    expected["usage"] = {name: value for name, value in body["usage"].items() if value is not None}
    assert message == expected


@given(mixed_answers())
def test_whatever_the_order_blocks_do_not_overlap_and_nothing_is_lost(
    events: tuple[AnswerEvent, ...],
) -> None:
    stream = encoded(*events)
    kinds = [payload["type"] for payload in parsed(stream)]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    open_index, opened = None, -1
    for payload in parsed(stream)[1:-2]:
        match payload["type"]:
            case "content_block_start":
                assert (open_index, payload["index"]) == (None, opened + 1)
                open_index = opened = payload["index"]
            case "content_block_delta":
                assert payload["index"] == open_index
            case "content_block_stop":
                assert payload["index"] == open_index
                open_index = None
    assert open_index is None
    blocks, expected = summed(stream)["content"], unstreamed(events, thinking=True)["content"]
    assert _by_kind(blocks) == _by_kind(expected)


def _by_kind(blocks: list[dict[str, Any]]) -> tuple[str, str, list[dict[str, Any]]]:
    """All thoughts, all text, and the tool calls."""
    thought = "".join(block.get("thinking", "") for block in blocks)
    text = "".join(block.get("text", "") for block in blocks)
    return thought, text, sorted((b for b in blocks if b["type"] == "tool_use"), key=lambda b: str(b["id"]))


def test_half_a_surrogate_pair_in_arguments_is_mended_by_the_other_half() -> None:
    half, other = "\ud83d", "\ude80"
    stream = encoded(
        ToolCallDelta(0, "call_1", "look", '{"q":"' + half),
        ToolCallDelta(0, arguments=other + '"}'),
        finished("", ToolCall("call_1", "look", '{"q":"' + half + other + '"}')),
    )
    assert summed(stream)["content"][0]["input"] == {"q": "\U0001f680"}


def test_progress_is_a_thinking_block_of_its_own_with_our_seal() -> None:
    assert encoded(Progress("broad thinks"), ReasoningDelta("Hmm"), finished("", reasoning="Hmm")) == (
        OPENING
        + start(0, THINKING_BLOCK)
        + delta(0, '{"type":"thinking_delta","thinking":"broad thinks\\n"}')
        + delta(0, '{"type":"signature_delta","signature":"stellarator-progress"}')
        + stop(0)
        + start(1, THINKING_BLOCK)
        + delta(1, '{"type":"thinking_delta","thinking":"Hmm"}')
        + delta(1, '{"type":"signature_delta","signature":"0123"}')
        + stop(1)
        + ENDING % "end_turn"
    )


def test_an_open_block_of_progress_is_kept_alive_by_thoughts() -> None:
    made = encoder()
    made.encode(Progress("broad thinks"))
    assert made.ping().decode() == delta(0, '{"type":"thinking_delta","thinking":""}')


def test_a_client_that_wants_no_thoughts_sees_no_progress() -> None:
    assert encoded(Progress("broad thinks"), thinking=False) == OPENING


def test_progress_never_waits_for_an_unfinished_tool_call() -> None:
    made = encoder()
    made.encode(ToolCallDelta(0, "call_1", "look", '{"q":'))
    assert made.encode(Progress("broad thinks")) == b""
