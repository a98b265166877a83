from __future__ import annotations

import json

import pytest

from actors.models.embedded import choosing
from workflows.messages import ChatRequest, Message, Text, Tool, ToolChoice, ToolResult

REVIEW = Tool(
    "review",
    "Convenes a panel.",
    {
        "type": "object",
        "properties": {"task": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["task", "n"],
    },
)
WEATHER = Tool(
    "weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}
)
BOTH = (REVIEW, WEATHER)


def asking(choice: ToolChoice | None = None, *more: Message) -> ChatRequest:
    return ChatRequest((Message.of("user", "A plan"), *more), BOTH, choice or ToolChoice())


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (ToolChoice(), ["review", "weather"]),
        (ToolChoice("required"), ["review", "weather"]),
        (ToolChoice("none"), []),
        (ToolChoice("named", "weather"), ["weather"]),
        (ToolChoice("named", "gone"), []),
    ],
)
def test_a_tool_choice_is_honoured(choice: ToolChoice, names: list[str]) -> None:
    assert [tool.name for tool in choosing.callable_tools(asking(choice))] == names


def test_no_tool_is_called_again_once_one_has_answered() -> None:
    answered = asking(None, Message("tool", (ToolResult("c", (Text("notes"),)),)))
    assert choosing.callable_tools(answered) == ()


def test_there_is_nothing_to_choose_when_one_tool_must_be_called() -> None:
    assert choosing.settled(asking(ToolChoice("named", "weather")), (WEATHER,)) == WEATHER
    assert choosing.settled(asking(ToolChoice("required")), (WEATHER,)) == WEATHER
    assert choosing.settled(asking(ToolChoice("required")), BOTH) is None
    assert choosing.settled(asking(), (WEATHER,)) is None


@pytest.mark.parametrize(("mode", "last"), [("auto", ["answer"]), ("required", [])])
def test_the_question_has_a_closed_set_of_answers(mode: str, last: list[str]) -> None:
    request = asking(ToolChoice("required") if mode == "required" else None)
    question = choosing.question(request, BOTH)
    assert question.response_format is not None
    assert question.response_format.schema is not None
    assert question.response_format.schema["properties"]["next"]["enum"] == ["review", "weather", *last]
    assert question.messages[-1] == Message.of("user", "A plan")
    assert not question.tools


def test_the_answer_names_a_tool_or_none() -> None:
    assert choosing.chosen('{"next": "weather"}', asking(), BOTH) == WEATHER
    assert choosing.chosen('{"next": "answer"}', asking(), BOTH) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"next": 3}', '"weather"', "{}"])
def test_an_answer_that_is_none_calls_nothing_unless_it_must(text: str) -> None:
    assert choosing.chosen(text, asking(), BOTH) is None
    assert choosing.chosen(text, asking(ToolChoice("required")), BOTH) == REVIEW


def test_arguments_are_the_users_words_in_every_required_text() -> None:
    assert json.loads(choosing.arguments(REVIEW, "Grüße")) == {"task": "Grüße"}
    assert json.loads(choosing.arguments(WEATHER, "Rome")) == {"city": "Rome"}
    assert choosing.arguments(Tool("now", "", {"type": "object"}), "x") == "{}"
