"""Chat Completions to the neutral conversation and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.protocols.controls import Controls
from serve_app.protocols.neutral import custom_arguments
from serve_app.protocols.openai_chat.translate import chat_request, completion, run_request
from serve_app.protocols.openai_chat.wire import ChatCompletionRequest
from tests.serve_app.scripted_host import finished
from tests.serve_app.sdk_shapes import assert_completion
from workflows.answer import RunRequest
from workflows.errors import RequestInvalid
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

HELLO = {"role": "user", "content": "Hello"}
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}}
LIST = {"type": "function", "function": {"name": "list", "description": "Lists."}}
NO_ARGUMENTS = {"type": "object", "properties": {}}


def body(*messages: dict[str, Any], **fields: Any) -> ChatCompletionRequest:
    return ChatCompletionRequest.model_validate(
        {"model": "fusion-review", "messages": messages or (HELLO,), **fields}
    )


def asked(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return chat_request(body(*messages, **fields))


def parts(content: Any, role: str = "user") -> tuple[Part, ...]:
    return asked({"role": role, "content": content}).messages[0].parts


# --- messages -----------------------------------------------------------------------------------------------


def test_a_plain_conversation() -> None:
    request = asked(
        {"role": "developer", "content": "Be brief."},
        HELLO,
        {"role": "assistant", "content": "Hi"},
        {"role": "system", "content": "Now in German."},
        {"role": "user", "content": [{"type": "text", "text": "Say "}, {"type": "text", "text": "it"}]},
    )
    assert request == ChatRequest(
        (
            Message.of("developer", "Be brief."),
            Message.of("user", "Hello"),
            Message.of("assistant", "Hi"),
            Message.of("system", "Now in German."),
            Message("user", (Text("Say "), Text("it"))),
        )
    )


def test_images_and_files() -> None:
    assert parts(
        [
            {"type": "image_url", "image_url": {"url": "https://x/i.png", "detail": "low"}},
            {"type": "image_url", "image_url": "data:image/png;base64,AA"},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,AA", "filename": "a.txt"}},
        ]
    ) == (
        Image("https://x/i.png", "low"),
        Image("data:image/png;base64,AA"),
        File("data:text/plain;base64,AA", "a.txt"),
    )


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "hologram", "depth": {"metres": 3}},
    ],
)
def test_a_part_without_a_neutral_form_is_carried_whole(part: dict[str, Any]) -> None:
    assert parts([part]) == (Foreign("openai_chat", part),)


def test_a_tool_call_and_its_result() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}}
    request = asked(
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    )
    assert request.messages[1:] == (
        Message("assistant", (ToolCall("c1", "look", '{"q": 1}'),)),
        Message("tool", (ToolResult("c1", (Text("found"),)),)),
    )


def test_a_tool_may_answer_in_parts_and_no_part_is_lost() -> None:
    content = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://x/i.png"}},
        {"type": "hologram", "depth": 3},
    ]
    message = asked({"role": "tool", "tool_call_id": "c1", "content": content}).messages[0]
    foreign = Text('{"type": "hologram", "depth": 3}')
    assert message.parts == (ToolResult("c1", (Text("see"), Image("https://x/i.png"), foreign)),)


def test_arguments_as_an_object_become_json_text() -> None:
    call = {"id": "c1", "function": {"name": "look", "arguments": {"q": 1}}}
    message = asked({"role": "assistant", "tool_calls": [call]}).messages[0]
    assert message.parts == (ToolCall("c1", "look", '{"q": 1}'),)


def test_the_deprecated_function_messages_are_paired() -> None:
    request = asked(
        HELLO,
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "one"},
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "two"},
    )
    calls = [call.id for message in request.messages for call in message.tool_calls]
    results = [part.call_id for m in request.messages for part in m.parts if isinstance(part, ToolResult)]
    assert calls == results
    assert len(set(calls)) == 2


def test_reasoning_and_a_refusal_of_earlier_turns_are_kept() -> None:
    for name in ("reasoning_content", "reasoning"):
        message = asked({"role": "assistant", "content": None, name: "Hmm", "refusal": "No."}).messages[0]
        assert message.parts == (Reasoning("Hmm"), Text("No."))


def test_an_assistants_foreign_parts_are_left_out_of_what_it_said() -> None:
    content = [{"type": "thinking", "thinking": "Hmm"}, {"type": "text", "text": "Hi"}]
    assert parts(content, role="assistant") == (Text("Hi"),)


def test_a_custom_tool_call_carries_its_input_as_an_argument() -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** x"}}
    message = asked({"role": "assistant", "tool_calls": [call]}).messages[0]
    assert message.parts == (ToolCall("c1", "patch", '{"input": "*** x"}'),)


def test_a_tool_call_without_a_function_names_the_field() -> None:
    with pytest.raises(RequestInvalid) as caught:
        asked(HELLO, {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function"}]})
    assert caught.value.field == "messages.1.tool_calls.0.function"


# --- tools and parameters -----------------------------------------------------------------------------------


def test_tools_of_every_type_are_taken_and_foreign_ones_left_out() -> None:
    custom = {"type": "custom", "custom": {"name": "patch", "format": {"type": "text"}}}
    request = asked(tools=[LOOK, LIST, custom, {"type": "web_search", "external_web_access": True}])
    assert request.tools[:2] == (
        Tool("look", "", {"type": "object"}, strict=True),
        Tool("list", "Lists.", NO_ARGUMENTS),
    )
    assert [tool.name for tool in request.tools] == ["look", "list", "patch"]


def test_a_custom_tools_grammar_is_told_in_words() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: WORD"}}
    custom = {"type": "custom", "custom": {"name": "patch", "description": "Patches.", "format": grammar}}
    description = asked(tools=[custom]).tools[0].description
    assert description == "Patches.\n\nThe whole `input` must follow this lark grammar:\nstart: WORD"


def test_deprecated_functions_are_tools() -> None:
    request = asked(functions=[{"name": "look"}], function_call={"name": "look"})
    assert request.tools == (Tool("look", "", NO_ARGUMENTS),)
    assert request.tool_choice == ToolChoice("named", "look")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "look"}}, ToolChoice("named", "look")),
        ({"type": "custom", "custom": {"name": "look"}}, ToolChoice("named", "look")),
    ],
)
def test_every_form_of_tool_choice(sent: Any, meant: ToolChoice) -> None:
    assert asked(tools=[LOOK], tool_choice=sent).tool_choice == meant


def test_allowed_tools_leave_the_others_out() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "list"}}]}
    request = asked(tools=[LOOK, LIST], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool.name for tool in request.tools] == ["list"]
    assert request.tool_choice == ToolChoice("required")


def test_a_tool_choice_without_a_name_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="tool_choice"):
        asked(tools=[LOOK], tool_choice={"type": "function"})


def test_response_formats() -> None:
    assert asked(response_format={"type": "text"}).response_format is None
    assert asked(response_format={"type": "json_object"}).response_format == ResponseFormat("json_object")
    wanted = {"name": "plan", "schema": {"type": "object"}, "strict": True}
    assert asked(response_format={"type": "json_schema", "json_schema": wanted}).response_format == (
        ResponseFormat("json_schema", "plan", {"type": "object"}, strict=True)
    )


def test_parameters() -> None:
    sampling = asked(
        temperature=0.5,
        top_p=0.9,
        max_tokens=10,
        max_completion_tokens=20,
        stop="END",
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        reasoning_effort="high",
        verbosity="low",
        parallel_tool_calls=False,
    ).sampling
    assert sampling == Sampling(
        temperature=0.5,
        top_p=0.9,
        max_tokens=20,
        stop=("END",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        reasoning_effort="high",
        extra={"verbosity": "low"},
    )
    assert asked(max_tokens=10, stop=["a", "b"]).sampling == Sampling(max_tokens=10, stop=("a", "b"))
    assert asked(parallel_tool_calls=False).parallel_tool_calls is False


def test_no_unknown_field_reaches_a_provider() -> None:
    """A provider's client could take one for an address or a key."""
    sent = {"api_base": "http://evil", "api_key": "x", "base_url": "http://evil", "mock_response": "x"}
    assert asked(**sent, store=False, logprobs=True).sampling == Sampling()


def test_metadata_goes_with_stored_completions_only() -> None:
    assert asked(metadata={"a": "b"}).sampling.extra == {}
    assert asked(metadata={"a": "b"}, store=True).sampling.extra == {"store": True, "metadata": {"a": "b"}}


# --- the run ------------------------------------------------------------------------------------------------


FREE = Controls()


def run(controls: Controls = FREE, **fields: Any) -> RunRequest:
    return run_request(body(**fields), controls, {"problem_review"}, "run_1")


def test_the_run_takes_over_the_controls() -> None:
    accepted = run(Controls(panel="never", depth=2, traceparent="00-a-b-01"), stream=True)
    assert accepted == RunRequest(
        run_id="run_1",
        virtual_model="fusion-review",
        protocol="openai_chat",
        request=ChatRequest((Message.of("user", "Hello"),)),
        stream=True,
        panel="never",
        depth=2,
        traceparent="00-a-b-01",
    )


PANEL_PLEASE = {"type": "function", "function": {"name": "problem_review"}}


def test_naming_a_mounted_tool_asks_for_the_panel_and_leaves_the_main_llm_free() -> None:
    accepted = run(tool_choice=PANEL_PLEASE)
    assert (accepted.panel, accepted.panel_tool) == ("always", "problem_review")
    assert accepted.request.tool_choice == ToolChoice()


def test_the_header_goes_before_tool_choice() -> None:
    assert run(Controls(panel="never"), tool_choice=PANEL_PLEASE).panel == "never"


def test_a_clients_own_tool_of_that_name_is_meant_first() -> None:
    own = {"type": "function", "function": {"name": "problem_review"}}
    accepted = run(tools=[own], tool_choice=PANEL_PLEASE)
    assert accepted.panel is None
    assert accepted.request.tool_choice == ToolChoice("named", "problem_review")


def test_choosing_a_tool_that_nobody_has_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="tool_choice: `lost`"):
        run(tool_choice={"type": "function", "function": {"name": "lost"}})


# --- the answer ---------------------------------------------------------------------------------------------

any_text = st.text(st.characters(exclude_categories=()))
some_text = st.text(st.characters(exclude_categories=()), min_size=1)
tool_calls = st.builds(ToolCall, id=some_text, name=some_text, arguments=any_text)


@given(any_text, st.lists(tool_calls, max_size=3), any_text, st.none() | st.floats(0, 9))
def test_every_body_is_exactly_of_the_sdks_type(
    text: str, calls: list[ToolCall], reasoning: str, cost: float | None
) -> None:
    end = finished(text, *calls, reasoning=reasoning, cost_usd=cost)
    payload = json.loads(json.dumps(completion(run(), end, 5)))
    assert_completion(payload)
    assert payload["usage"]["total_tokens"] == 18
    assert payload["stellarator"]["total_usage"]["total_tokens"] == 180
    assert payload["stellarator"]["cost_usd"] == cost


@given(any_text, st.lists(tool_calls, max_size=3), any_text)
def test_an_answer_that_the_client_sends_back_is_the_message_that_it_was(
    text: str, calls: list[ToolCall], reasoning: str
) -> None:
    end = finished(text, *calls, reasoning=reasoning)
    answer = json.loads(json.dumps(completion(run(), end, 5)["choices"][0]["message"]))
    assert asked(HELLO, answer).messages[1] == end.message


@given(st.lists(tool_calls, max_size=3), any_text)
def test_calls_of_custom_tools_come_back_as_such(others: list[ToolCall], text: str) -> None:
    patch = ToolCall("c1", "patch", custom_arguments(text))
    end = finished("", patch, *others)
    payload = json.loads(json.dumps(completion(run(), end, 5, {"patch"})))
    assert_completion(payload)
    answer = payload["choices"][0]["message"]
    custom = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": text}}
    assert answer["tool_calls"][0] == custom
    assert asked(HELLO, answer).messages[1].tool_calls[0] == patch


def test_content_is_null_only_beside_tool_calls() -> None:
    call = ToolCall("c1", "look", "{}")
    assert completion(run(), finished("", call), 5)["choices"][0]["message"]["content"] is None
    assert completion(run(), finished(""), 5)["choices"][0]["message"]["content"] == ""
