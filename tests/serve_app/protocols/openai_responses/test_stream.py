"""Golden streams: neutral events in, exact events out, without a server."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serve_app.errors import Fault
from serve_app.protocols.openai_responses.body import begun
from serve_app.protocols.openai_responses.seals import unsealed
from serve_app.protocols.openai_responses.stream import Form, ResponseEncoder
from serve_app.protocols.openai_responses.tools import ClientTool, ToolNames
from serve_app.protocols.openai_responses.wire import ResponseRequest
from tests.serve_app.response_shapes import assert_response, assert_response_event
from tests.serve_app.scripted_host import finished
from workflows.answer import AnswerEvent, AnswerFinished, AnswerStarted, Progress
from workflows.messages import Message, ReasoningDelta, TextDelta, ToolCallDelta, Usage

RUN = "run_0123"
STARTED = AnswerStarted(run_id=RUN, model="fusion-review", created=5)
NAMES = ToolNames(
    [
        ClientTool("function", "look"),
        ClientTool("custom", "exec", "functions"),
        ClientTool("tool_search", "tool_search"),
        ClientTool("function", "spawn", "agents"),
    ]
)


def encoder(**form: Any) -> ResponseEncoder:
    response = begun(ResponseRequest(model="fusion-review"), RUN, 5)
    return ResponseEncoder(response, RUN, Form(names=NAMES, **form), lambda: 9.0)


def parsed(stream: bytes) -> list[dict[str, Any]]:
    """The events' JSON, read as SSE; the name on the wire is the event's type."""
    events = []
    for each in stream.decode().removesuffix("\n\n").split("\n\n"):
        name, data = each.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def streamed(*events: AnswerEvent, **form: Any) -> list[dict[str, Any]]:
    made = encoder(**form)
    told = parsed(made.opening() + b"".join(map(made.encode, events)))
    assert told[-1]["response"] == made.response
    return told


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_plain_answer_byte_by_byte() -> None:
    made = encoder()
    made.opening()
    told = made.encode(TextDelta("Hel")) + made.encode(TextDelta("lo"))
    where = '"item_id":"msg_0123_0","output_index":0,"content_index":0'
    assert told.decode() == (
        'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":2,'
        '"output_index":0,"item":{"type":"message","id":"msg_0123_0","status":"in_progress",'
        '"role":"assistant","content":[]}}\n\n'
        'event: response.content_part.added\ndata: {"type":"response.content_part.added","sequence_number":3,'
        f'{where},"part":{{"type":"output_text","text":"","annotations":[],"logprobs":[]}}}}\n\n'
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,'
        f'{where},"logprobs":[],"delta":"Hel"}}\n\n'
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":5,'
        f'{where},"logprobs":[],"delta":"lo"}}\n\n'
    )


def test_half_a_surrogate_pair_goes_out_and_into_a_seal() -> None:
    events = streamed(ReasoningDelta("\ud83d"), TextDelta("\ud83d"), finished(""), seals_thinking=True)
    thought, said = events[-1]["response"]["output"]
    assert said["content"][0]["text"] == "\ud83d"
    assert unsealed("thinking", thought["encrypted_content"]) == "\ud83d"


def test_thinking_then_text() -> None:
    events = streamed(STARTED, ReasoningDelta("Hmm"), TextDelta("Hi"), finished("Hi", reasoning="Hmm"))
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = events[-1]["response"]
    assert response["usage"] == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 18,
    }
    assert response["stellarator"]["total_usage"]["total_tokens"] == 180
    assert (response["status"], response["completed_at"]) == ("completed", 9)


def test_a_function_call_streams_its_arguments() -> None:
    events = streamed(
        ToolCallDelta(0, "call_1", "look", '{"q"'), ToolCallDelta(0, arguments=":1}"), finished("")
    )
    assert types(events)[2:-1] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert events[-1]["response"]["output"] == [
        {
            "type": "function_call",
            "id": "fc_0123_0",
            "call_id": "call_1",
            "status": "completed",
            "name": "look",
            "arguments": '{"q":1}',
        }
    ]


def test_calls_come_back_in_the_type_name_and_namespace_of_the_client() -> None:
    events = streamed(
        ToolCallDelta(0, "c0", "functions__exec", '{"input": "ls'),
        ToolCallDelta(0, arguments='\\n"}'),
        ToolCallDelta(1, "c1", "agents__spawn", "{}"),
        ToolCallDelta(2, "c2", "tool_search", '{"query": "mail"}'),
        finished(""),
    )
    custom, namespaced, search = events[-1]["response"]["output"]
    assert custom == {
        "type": "custom_tool_call",
        "id": "ctc_0123_0",
        "call_id": "c0",
        "name": "exec",
        "namespace": "functions",
        "input": "ls\n",
    }
    assert (namespaced["type"], namespaced["name"], namespaced["namespace"]) == (
        "function_call",
        "spawn",
        "agents",
    )
    assert (search["type"], search["execution"], search["arguments"]) == (
        "tool_search_call",
        "client",
        {"query": "mail"},
    )
    assert "custom_tool_call_input.delta" in types(events)
    for event in events:
        assert_response_event(event)


def test_items_never_overlap_however_the_calls_come() -> None:
    events = streamed(
        ToolCallDelta(0, "c0", "look", '{"q"'),
        ToolCallDelta(1, "c1", "look", "{}"),
        ToolCallDelta(0, arguments=":0}"),
        finished(""),
    )
    kinds = [kind for kind in types(events) if kind.startswith("output_item")]
    assert kinds == ["output_item.added", "output_item.done"] * 2
    assert [item["arguments"] for item in events[-1]["response"]["output"]] == ['{"q":0}', "{}"]


def test_a_sign_of_life_takes_the_next_number_and_changes_nothing() -> None:
    made = encoder()
    told = parsed(made.opening() + made.ping() + made.encode(TextDelta("Hi")) + made.ping())
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[2] == {**told[1], "sequence_number": 2}
    assert told[-1]["type"] == "response.in_progress"


def test_an_answer_that_was_cut_is_incomplete() -> None:
    cut = AnswerFinished(
        message=Message.of("assistant", "Hel"),
        finish_reason="length",
        usage=Usage(),
        total_usage=Usage(),
        cost_usd=None,
        panel="skipped",
    )
    events = streamed(TextDelta("Hel"), cut)
    response = events[-1]["response"]
    assert events[-1]["type"] == "response.incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert_response(response)


def test_a_failure_keeps_what_was_said_and_has_a_code_that_agents_know() -> None:
    codes = {429: "rate_limit_exceeded", 502: "server_error", 400: "invalid_prompt"}
    for status, code in codes.items():
        made = encoder()
        before = made.opening() + made.encode(TextDelta("Hel"))
        fault = Fault(status=status, code="upstream_busy", message="It broke.", headers={})
        event = parsed(before + made.failed(fault))[-1]
        assert_response_event(event)
        assert event["type"] == "response.failed"
        assert event["response"]["error"] == {"code": code, "message": "It broke."}
        assert event["response"]["output"][0]["content"][0]["text"] == "Hel"


def test_a_compaction_is_one_sealed_item_without_text_events() -> None:
    events = streamed(
        ReasoningDelta("Hmm"), TextDelta("All "), TextDelta("done"), finished("All done"), is_compaction=True
    )
    assert types(events)[2:-1] == ["output_item.added", "output_item.done"]
    [item] = events[-1]["response"]["output"]
    assert unsealed("summary", item["encrypted_content"]) == "All done"
    [empty] = streamed(finished(""), is_compaction=True)[-1]["response"]["output"]
    assert empty["type"] == "compaction"


def test_thinking_is_sealed_for_clients_that_keep_it() -> None:
    events = streamed(ReasoningDelta("Hmm"), finished("", reasoning="Hmm"), seals_thinking=True)
    [item] = events[-1]["response"]["output"]
    assert unsealed("thinking", item["encrypted_content"]) == "Hmm"


# Without halves of surrogate pairs, which JSON joins when two meet; one alone has a test of its own.
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# Never a whole object: such a call is over, and what a model says of it later cannot be told any more.
arguments = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="}"), max_size=8)
flat_names = st.sampled_from(["look", "functions__exec", "agents__spawn", "tool_search", "unknown"])


@st.composite
def answers(draw: st.DrawFn) -> list[AnswerEvent]:
    """An answer in pieces: thoughts and text in turns, then calls whose deltas may be mixed up."""
    pieces: list[AnswerEvent] = []
    for is_thought, text in draw(st.lists(st.tuples(st.booleans(), any_text), max_size=6)):
        pieces.append(ReasoningDelta(text) if is_thought else TextDelta(text))
    names = draw(st.lists(flat_names, max_size=3))
    pieces += [ToolCallDelta(index, f"call_{index}", name) for index, name in enumerate(names)]
    if names:
        indexes = st.integers(0, len(names) - 1)
        for index, text in draw(st.lists(st.tuples(indexes, arguments), max_size=6)):
            pieces.append(ToolCallDelta(index, arguments=text))
    return [STARTED, *pieces, finished("")]


@given(answers(), st.booleans())
def test_every_event_is_exactly_of_the_sdks_type_and_numbered_without_gaps(
    events: list[AnswerEvent], seals: bool
) -> None:
    told = streamed(*events, seals_thinking=seals)
    for event in told:
        assert_response_event(event)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))


@given(answers())
def test_the_final_object_is_the_sum_of_its_events(events: list[AnswerEvent]) -> None:
    told = streamed(*events)
    done = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    added = [event["item"]["id"] for event in told if event["type"] == "response.output_item.added"]
    output = told[-1]["response"]["output"]
    assert output == done
    assert added == [item["id"] for item in done]
    for index, item in enumerate(output):
        mine = [event for event in told if event.get("output_index") == index]
        deltas = "".join(event["delta"] for event in mine if event["type"].endswith(".delta"))
        match item["type"]:
            case "message":
                assert item["content"][0]["text"] == deltas
            case "reasoning":
                assert item["summary"][0]["text"] == deltas
            case "function_call":
                assert item["arguments"] == deltas
            case "custom_tool_call":
                assert item["input"] == deltas


@given(answers())
def test_nothing_that_the_model_said_is_lost(events: list[AnswerEvent]) -> None:
    output = streamed(*events)[-1]["response"]["output"]
    said = "".join(part["text"] for item in output if item["type"] == "message" for part in item["content"])
    assert said == "".join(event.text for event in events if isinstance(event, TextDelta))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    for item in output:
        if item["type"] == "function_call":
            index = int(item["call_id"].removeprefix("call_"))
            assert item["arguments"] == "".join(call.arguments for call in calls if call.index == index)


def test_progress_is_a_reasoning_item_of_its_own_with_our_seal() -> None:
    events = streamed(
        Progress("broad thinks"),
        Progress("broad answered"),
        ReasoningDelta("Hmm"),
        TextDelta("Hi"),
        finished("Hi", reasoning="Hmm"),
    )
    for event in events:
        assert_response_event(event)
    summary = "broad thinks\nbroad answered\n"
    progress, thought, said = events[-1]["response"]["output"]
    assert progress == {
        "type": "reasoning",
        "id": "rs_0123_p0",
        "status": "completed",
        "summary": [{"type": "summary_text", "text": summary}],
        "encrypted_content": "stellarator-progress",
    }
    assert (thought["id"], said["id"]) == ("rs_0123_0", "msg_0123_1")
    assert types(events)[2:9] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]


def test_items_have_the_same_ids_with_and_without_progress() -> None:
    answer = (TextDelta("Hi"), ToolCallDelta(0, "call_1", "look", "{}"), finished("Hi"))
    told = streamed(Progress("a"), TextDelta("Hi"), *answer[1:])[-1]["response"]["output"]
    untold = streamed(*answer)[-1]["response"]["output"]
    assert told[1:] == untold


def test_progress_between_two_texts_leaves_two_items() -> None:
    events = streamed(TextDelta("A"), Progress("x"), TextDelta("B"), Progress("y"), finished("AB"))
    ids = [item["id"] for item in events[-1]["response"]["output"]]
    assert ids == ["msg_0123_0", "rs_0123_p0", "msg_0123_1", "rs_0123_p1"]
