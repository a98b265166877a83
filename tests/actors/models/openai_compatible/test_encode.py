from __future__ import annotations

import pytest

from actors.models.openai_compatible.encode import body, left_out, messages
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

PIXEL = "data:image/png;base64,iVBORw0KGgo="
WEATHER = Tool(
    "weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}
)


def asked(**changes: object) -> dict[str, object]:
    return body("m", ChatRequest((Message.of("user", "Hi"),), **changes))  # type: ignore[arg-type]


def test_a_plain_request_says_nothing_that_nobody_asked_for() -> None:
    assert asked() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_developer_messages_are_sent_under_the_word_that_every_server_knows() -> None:
    assert messages([Message.of("developer", "Be brief.")]) == [{"role": "system", "content": "Be brief."}]


def test_images_files_and_parts_of_this_format_go_along_with_text() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    message = Message(
        "user",
        (
            Text("Look"),
            Image(PIXEL, "low"),
            File("data:text/plain;base64,aGk=", "a.txt"),
            Foreign("openai_chat", audio),
        ),
    )
    (told,) = messages([message])
    assert told["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"}},
        audio,
    ]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (Foreign("anthropic_messages", {"type": "redacted_thinking", "data": "x"}), "redacted_thinking"),
        (Foreign("anthropic_messages", {"type": "what I said to you"}), "anthropic_messages part"),
        (Foreign("openai_chat", {"thinking_blocks": []}), "openai_chat part"),
        (Reasoning("hm", "reasoning_content"), "reasoning"),
    ],
)
def test_a_part_that_cannot_be_said_is_left_out_and_named_by_its_kind(part: Part, kind: str) -> None:
    message = Message("user", (Text("Hi"), part))
    (told,) = messages([message])
    assert told["content"] == [{"type": "text", "text": "Hi"}]
    assert left_out(ChatRequest((message, message))) == (kind,)


def test_thoughts_of_another_provider_and_pictures_of_an_assistant_are_left_out() -> None:
    message = Message("assistant", (Text("Hi"), Reasoning("hm"), Image(PIXEL)))
    assert messages([message]) == [{"role": "assistant", "content": "Hi"}]
    assert left_out(ChatRequest((message,))) == ("reasoning", "image")


def test_nothing_is_left_out_of_what_the_format_has_room_for() -> None:
    assistant = Message(
        "assistant", (Reasoning("hm", "reasoning"), Foreign("openai_chat", {"thinking_blocks": []}))
    )
    user = Message("user", (Image(PIXEL), File("data:x"), Foreign("openai_chat", {"type": "input_audio"})))
    assert left_out(ChatRequest((user, assistant))) == ()


def test_calls_and_their_results_are_told_as_the_format_wants_them() -> None:
    conversation = [
        Message("assistant", (Text("Let me see."), ToolCall("a", "weather", '{"city": "Ulm"}'))),
        Message("tool", (ToolResult("a", (Text("Sunny"),)),)),
    ]
    assert messages(conversation) == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Ulm"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "Sunny"},
    ]


def test_an_assistant_that_only_calls_says_null() -> None:
    (told,) = messages([Message("assistant", (ToolCall("a", "weather", "{}"),))])
    assert told["content"] is None


def test_images_in_results_follow_behind_all_results_of_the_turn() -> None:
    conversation = [
        Message("assistant", (ToolCall("a", "shot", "{}"), ToolCall("b", "shot", "{}"))),
        Message("tool", (ToolResult("a", (Text("done"), Image(PIXEL))),)),
        Message("tool", (ToolResult("b", (Text("done, too"),)),)),
        Message.of("user", "And?"),
    ]
    told = messages(conversation)
    assert [each["role"] for each in told] == ["assistant", "tool", "tool", "user", "user"]
    assert all(isinstance(each["content"], str) for each in told if each["role"] == "tool")
    assert told[3]["content"][1] == {"type": "image_url", "image_url": {"url": PIXEL}}
    assert "a" in told[3]["content"][0]["text"]


def test_images_of_the_last_result_are_not_lost() -> None:
    told = messages([Message("tool", (ToolResult("a", (Image(PIXEL),)),))])
    assert [each["role"] for each in told] == ["tool", "user"]


def test_a_result_that_is_an_error_says_so_once() -> None:
    def content(text: str) -> object:
        return messages([Message("tool", (ToolResult("a", (Text(text),), is_error=True),))])[0]["content"]

    assert content("no such city") == "Error: no such city"
    assert content("Error: no such city") == "Error: no such city"


def test_thinking_goes_back_only_to_servers_that_asked_for_it() -> None:
    def told(*parts: Reasoning | Foreign) -> dict[str, object]:
        return messages([Message("assistant", (*parts, ToolCall("a", "f", "{}")))])[0]

    assert told(Reasoning("hm", "reasoning_content"))["reasoning_content"] == "hm"
    details = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}
    assert told(Foreign("openai_chat", details))["reasoning_details"] == details["reasoning_details"]
    assert "hm" not in str(told(Reasoning("hm")))
    assert "hm" not in str(told(Reasoning("hm", "a signature of Anthropic's")))


def test_tools_and_choices() -> None:
    told = asked(tools=(WEATHER,), tool_choice=ToolChoice("named", "weather"), parallel_tool_calls=False)
    assert told["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": dict(WEATHER.input_schema),
            },
        }
    ]
    assert told["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert told["parallel_tool_calls"] is False
    assert asked(tools=(WEATHER,), tool_choice=ToolChoice("required"))["tool_choice"] == "required"


def test_a_choice_without_tools_is_not_sent_because_servers_refuse_it() -> None:
    told = asked(tool_choice=ToolChoice("none"), parallel_tool_calls=True)
    assert "tool_choice" not in told
    assert "parallel_tool_calls" not in told


def test_response_formats() -> None:
    schema = {"type": "object"}
    assert asked(response_format=ResponseFormat("json_object"))["response_format"] == {"type": "json_object"}
    assert asked(response_format=ResponseFormat("json_schema", "", schema, strict=True))[
        "response_format"
    ] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }


def test_parameters_are_sent_as_given_and_extra_ones_go_along() -> None:
    sampling = Sampling(
        temperature=0.0,
        top_p=0.9,
        max_tokens=5,
        stop=("END",),
        seed=0,
        presence_penalty=0.0,
        frequency_penalty=1.5,
        reasoning_effort="low",
        extra={"top_k": 20},
    )
    told = asked(sampling=sampling)
    assert {name: told[name] for name in ("temperature", "seed", "presence_penalty")} == {
        "temperature": 0.0,
        "seed": 0,
        "presence_penalty": 0.0,
    }
    assert (told["stop"], told["top_k"], told["max_tokens"]) == (["END"], 20, 5)
    assert (told["top_p"], told["frequency_penalty"], told["reasoning_effort"]) == (0.9, 1.5, "low")
