"""Thinking is taken out of texts, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.thinking import visible

MARKS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<Thought>", "</Thought>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<reasoning lang='en'>", "</reasoning>"),
    ("<REASONING_SCRATCHPAD>", "</REASONING_SCRATCHPAD>"),
    ("<reflection>", "</reflection>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("<|channel>thought\n", "<channel|>"),
]


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_thinking_between_marks_goes(opening: str, closing: str) -> None:
    assert visible(f"{opening}secret{closing}The answer.") == "The answer."
    assert visible(f"First. {opening}secret{closing} Second.") == "First.  Second."


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_thinking_that_never_closes_goes(opening: str, closing: str) -> None:
    assert visible(f"The answer.\n{opening}secret") == "The answer."
    assert visible(f"{opening}secret") == ""
    assert visible(f"{opening}{closing}") == ""


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_thinking_that_the_chat_template_opened_goes(opening: str, closing: str) -> None:
    assert opening not in closing
    assert visible(f"secret{closing}\nThe answer.") == "The answer."


@pytest.mark.parametrize(
    "text",
    [
        "Use the `<think>` tag.",
        "```xml\n<think>\nnot thinking\n</think>\n```\nDone.",
        "List<Thought> is a type.",
        "Think about <b>bold</b> thinking.",
        "Analysis: it works.",
        "1 < 2 and 3 > 2",
        "",
    ],
)
def test_text_without_thinking_stays(text: str) -> None:
    assert visible(text) == text


def test_code_inside_thinking_hides_nothing() -> None:
    assert visible("<think>```\n</think>The `answer`.") == "The `answer`."


def test_a_mark_that_removal_would_join_is_removed_too() -> None:
    assert visible("<th<think>x</think>ink>secret") == ""


def test_nested_thinking_goes() -> None:
    assert visible("<think>a<think>b</think>c</think>The answer.") == "The answer."


def test_only_the_final_channel_of_harmony_is_visible() -> None:
    text = (
        "<|channel|>analysis<|message|>secret<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
        "<|start|>assistant<|channel|>final<|message|>The answer.<|return|>"
    )
    assert visible(text) == "The answer."
    assert visible("<|channel|>analysis<|message|>secret") == ""
    assert visible("analysisWe must think.assistantfinalThe answer.") == "The answer."


@given(
    st.lists(st.sampled_from(["word ", "<think>", "</think>", "`", "```\n", "\n", "<th", "ink>"])).map(
        "".join
    )
)
def test_it_is_idempotent(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(st.text(st.characters(exclude_characters="<[`~◁"), max_size=200))
def test_a_text_without_any_mark_is_only_stripped(text: str) -> None:
    if "assistantfinal" not in text:
        assert visible(text) == text.strip()
