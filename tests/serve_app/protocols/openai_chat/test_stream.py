"""Golden streams: neutral events in, exact bytes out, without a server."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from serve_app.errors import Fault
from serve_app.protocols.openai_chat.stream import ChunkEncoder, error_chunk
from serve_app.protocols.openai_chat.translate import answer_message
from tests.serve_app.scripted_host import finished
from tests.serve_app.sdk_shapes import assert_chunk
from workflows.answer import AnswerEvent, AnswerFinished, AnswerStarted, Progress
from workflows.messages import ReasoningDelta, TextDelta, ToolCall, ToolCallDelta

RUN = "run_0123"
STARTED = AnswerStarted(run_id=RUN, model="fusion-review", created=5)
HEAD = '"id":"chatcmpl-0123","object":"chat.completion.chunk","created":5,"model":"fusion-review"'
COUNTS = (
    '{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,'
    '"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}'
)
EXTENSION = (
    '{"run_id":"run_0123","panel":"ran","total_usage":{"prompt_tokens":110,"completion_tokens":70,'
    '"total_tokens":180,"prompt_tokens_details":{"cached_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0}},"cost_usd":0.0125}'
)


def encoded(*events: AnswerEvent, include_usage: bool = False) -> str:
    encoder = ChunkEncoder(RUN, "fusion-review", 5, include_usage=include_usage)
    return (encoder.opening() + b"".join(map(encoder.encode, events))).decode()


def chunk(delta: str, end: str = "null") -> str:
    return f'data: {{{HEAD},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{end}}}]'


def test_a_plain_answer() -> None:
    assert encoded(STARTED, TextDelta("Hel"), TextDelta("lo"), finished("Hello")) == (
        chunk('{"role":"assistant","content":""}') + "}\n\n"
        + chunk('{"content":"Hel"}') + "}\n\n"
        + chunk('{"content":"lo"}') + "}\n\n"
        + chunk("{}", '"stop"') + f',"stellarator":{EXTENSION}}}\n\n'
        + "data: [DONE]\n\n"
    )  # fmt: skip


def test_usage_when_asked_for_is_the_last_chunk_and_null_in_every_other() -> None:
    assert encoded(TextDelta("Hi"), finished("Hi"), include_usage=True) == (
        chunk('{"role":"assistant","content":""}') + ',"usage":null}\n\n'
        + chunk('{"content":"Hi"}') + ',"usage":null}\n\n'
        + chunk("{}", '"stop"') + ',"usage":null}\n\n'
        + f'data: {{{HEAD},"choices":[],"usage":{COUNTS},"stellarator":{EXTENSION}}}\n\n'
        + "data: [DONE]\n\n"
    )  # fmt: skip


def test_reasoning_and_parallel_tool_calls() -> None:
    calls = (ToolCall("call_1", "look", '{"q":1}'), ToolCall("call_2", "list", "{}"))
    stream = encoded(
        ReasoningDelta("Hmm"),
        ToolCallDelta(0, "call_1", "look"),
        ToolCallDelta(0, arguments='{"q":'),
        ToolCallDelta(0, arguments="1}"),
        ToolCallDelta(1, "call_2", "list", "{}"),
        finished("", *calls, reasoning="Hmm"),
    )
    deltas = [part["choices"][0]["delta"] for part in parsed(stream)]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hmm"},
        {"tool_calls": [tool_call(0, "", id="call_1", type="function", name="look")]},
        {"tool_calls": [tool_call(0, '{"q":')]},
        {"tool_calls": [tool_call(0, "1}")]},
        {"tool_calls": [tool_call(1, "{}", id="call_2", type="function", name="list")]},
        {},
    ]
    assert parsed(stream)[-1]["choices"][0]["finish_reason"] == "tool_calls"


def tool_call(index: int, arguments: str, *, name: str = "", **first: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"index": index, **first, "function": function}


def test_a_sign_of_life_is_an_empty_delta() -> None:
    encoder = ChunkEncoder(RUN, "fusion-review", 5, include_usage=False)
    assert encoder.ping().decode() == chunk('{"content":""}') + "}\n\n"


def test_an_error_has_the_shape_of_the_api_and_no_normal_end() -> None:
    fault = Fault(status=502, code="upstream_unavailable", message="It broke.", headers={})
    assert error_chunk(fault).decode() == (
        'data: {"error":{"message":"It broke.","type":"server_error","param":null,'
        '"code":"upstream_unavailable"}}\n\n'
    )


def parsed(stream: str) -> list[dict[str, Any]]:
    """The chunks' JSON, read as SSE."""
    frames = stream.removesuffix("\n\n").split("\n\n")
    assert all(each.startswith("data: ") and "\n" not in each for each in frames)
    assert frames[-1] == "data: [DONE]"
    return [json.loads(each.removeprefix("data: ")) for each in frames[:-1]]


any_text = st.text(st.characters(exclude_categories=()), max_size=8)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@st.composite
def answers(draw: st.DrawFn) -> tuple[AnswerEvent, ...]:
    """An answer in pieces: thoughts, text and tool calls, and its end."""
    thoughts = draw(st.lists(any_text, max_size=2))
    texts = draw(st.lists(any_text, max_size=4))
    calls = draw(st.lists(st.tuples(names, st.lists(any_text, max_size=3)), max_size=3))
    pieces: list[AnswerEvent] = [ReasoningDelta(each) for each in thoughts]
    pieces += [TextDelta(each) for each in texts]
    for index, (name, arguments) in enumerate(calls):
        pieces.append(ToolCallDelta(index, f"call_{index}", name))
        pieces += [ToolCallDelta(index, arguments=each) for each in arguments]
    made = (ToolCall(f"call_{i}", name, "".join(args)) for i, (name, args) in enumerate(calls))
    return (STARTED, *pieces, finished("".join(texts), *made, reasoning="".join(thoughts)))


@given(answers(), st.booleans())
def test_every_chunk_is_exactly_of_the_sdks_type(events: tuple[AnswerEvent, ...], usage: bool) -> None:
    for payload in parsed(encoded(*events, include_usage=usage)):
        assert_chunk(payload)
        assert payload["id"] == "chatcmpl-0123"


@given(answers())
def test_the_chunks_add_up_to_the_unstreamed_message(events: tuple[AnswerEvent, ...]) -> None:
    state = ChatCompletionStreamState()
    for payload in parsed(encoded(*events)):
        state.handle_chunk(ChatCompletionChunk.model_validate(payload))
    summed = state.get_final_completion().choices[0].message.model_dump()
    end = events[-1]
    assert isinstance(end, AnswerFinished)
    expected: Any = answer_message(end.message)
    assert (summed["content"] or "") == (expected["content"] or "")
    calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in summed["tool_calls"] or ()]
    wanted = expected.get("tool_calls", [])
    assert calls == [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in wanted]


def test_progress_stands_among_the_thoughts_in_lines_that_say_whose_they_are() -> None:
    assert encoded(Progress("broad thinks"), ReasoningDelta("Hmm")) == (
        chunk('{"role":"assistant","content":""}') + "}\n\n"
        + chunk('{"reasoning_content":"[stellarator] broad thinks\\n"}') + "}\n\n"
        + chunk('{"reasoning_content":"Hmm"}') + "}\n\n"
    )  # fmt: skip
