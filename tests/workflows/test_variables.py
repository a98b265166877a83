from __future__ import annotations

from typing import Any

from tests.workflows.flows import workflow
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from workflows.prompting import render, shipped_prompt
from workflows.spec import FusionToolSpec
from workflows.variables import (
    branch_values,
    branch_variables,
    synthesis_values,
    synthesis_variables,
    transcript,
)

TALK = ChatRequest(
    (Message.of("system", "Be brief."), Message.of("user", "Hi."), Message.of("user", "Is it ok?"))
)


def tool(**properties: Any) -> FusionToolSpec:
    return workflow(input_schema={"type": "object", "properties": properties}).panels["review"]


def test_every_variable_has_a_value() -> None:
    review = tool(task={}, limit={"default": 3}, note={"type": "string"})
    values = branch_values("review", review, {"task": "t"}, TALK)
    assert values.keys() == branch_variables(review)
    full = synthesis_values(values, review, [{"letter": "A", "text": "x"}], "EVIDENCE")
    assert full.keys() == synthesis_variables(review)


def test_an_argument_that_was_left_out_is_its_default_or_empty() -> None:
    values = branch_values("review", tool(task={}, limit={"default": 3}, note=True), {"task": "t"}, TALK)
    assert (values["task"], values["limit"], values["note"]) == ("t", 3, "")


def test_a_branch_can_mention_the_conversation_and_the_tool() -> None:
    values = branch_values("review", tool(task={}), {}, TALK)
    assert values["last_user_message"] == "Is it ok?"
    assert values["conversation"] == "User: Hi.\n\nUser: Is it ok?"
    assert values["tool"] == "review"


def test_arguments_that_are_not_in_the_schema_are_no_variables() -> None:
    assert "extra" not in branch_values("review", tool(task={}), {"extra": 1}, TALK)


def test_without_a_task_argument_the_task_is_all_arguments() -> None:
    review = tool(question={}, place={}, time={})
    values = branch_values("review", review, {"question": "Why?", "time": "now"}, TALK)
    full = synthesis_values(values, review, [], "")
    assert full["task"] == "question: Why?\ntime: now"
    assert full["arguments"] == []


def test_the_shipped_prompt_shows_task_arguments_and_evidence() -> None:
    review = tool(task={}, code={}, note={})
    values = branch_values("review", review, {"task": "Review it.", "code": "x = 1"}, TALK)
    text = render(shipped_prompt("synthesis"), synthesis_values(values, review, [], "EVIDENCE"), "x")
    assert "# Task\nReview it.\n\n## code\nx = 1\n\n# Candidates\nEVIDENCE\n" in text
    assert "## note" not in text


def test_a_transcript_names_what_is_not_text_and_leaves_out_thinking() -> None:
    messages = [
        Message("user", (Text("Look:"), Image("data:image/png;base64,AA"), File("https://x/y", "y.pdf"))),
        Message("assistant", (Reasoning("hm"), Text("I see."), ToolCall("1", "search", '{"q": 1}'))),
        Message("tool", (ToolResult("1", (Text("found"),)),)),
        Message("assistant", (Reasoning("only thinking"),)),
        Message("user", (Foreign("anthropic", {"secret": 1}),)),
        Message.of("developer", "hidden"),
    ]
    assert transcript(messages).split("\n\n") == [
        "User: Look:\n[image part]\n[file part y.pdf]",
        'Assistant: I see.\n[calls the tool search with {"q": 1}]',
        "Tool result: found",
        "User: [foreign part]",
    ]
