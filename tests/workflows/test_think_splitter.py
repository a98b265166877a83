"""Thinking in a stream is told apart as in a whole text, however the stream is cut, and nothing waits without need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.messages import ReasoningDelta, TextDelta
from workflows.think_splitter import ThinkSplitter
from workflows.thinking import visible

MARKS = (
    ("<think>", "</think>"),
    ("<Thinking>", "</Thinking>"),
    ("<seed:think>", "</seed:think>"),
    ("<REASONING_SCRATCHPAD depth='2'>", "</REASONING_SCRATCHPAD>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("<|channel>thought ", "<channel|>"),
)
HARMONY = "<|channel|>analysis<|message|>Hm, well.<|end|><|start|>assistant<|channel|>final<|message|>The answer.<|return|>"
words = st.sampled_from(
    ["Yes. ", "a < b ", "x[0] ", "\n", "List<int> ", "<div>\n", "it's ~5 ", "a\n\nb ", "<3 "]
)
code = st.sampled_from(
    ["`<think>` ", "\n```\n<think>\nx</think>\n```\n", "``a`b`` ", "\n~~~py\n[THINK]\n~~~\n"]
)
thought = st.sampled_from(MARKS).map(lambda mark: f"\n{mark[0]}Hm, `x` < y.\n{mark[1]}\n")
texts = st.lists(words | code | thought, max_size=8).map("".join)


def split(pieces: list[str]) -> tuple[str, str]:
    """What is said and what is thought."""
    splitter = ThinkSplitter()
    out = [d for piece in pieces for d in splitter.feed(piece)] + list(splitter.end())
    return (
        "".join(d.text for d in out if isinstance(d, TextDelta)),
        "".join(d.text for d in out if isinstance(d, ReasoningDelta)),
    )


@given(texts)
def test_what_is_said_is_what_is_visible_of_the_whole(text: str) -> None:
    said, _ = split([text])
    assert said.split() == visible(text).split()


@given(texts | st.just(HARMONY) | st.text("<think>/|`~[]\n a◁▷", max_size=40), st.data())
def test_however_a_stream_is_cut_the_same_comes_out(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(pieces) == split([text]) == split(list(text))


@pytest.mark.parametrize(("opened", "closed"), MARKS)
def test_every_family_of_marks_is_known_at_the_beginning(opened: str, closed: str) -> None:
    said, thinking = split([*f"\n{opened}Hm.{closed}\n\nYes."])
    assert (said, thinking.strip()) == ("Yes.", "Hm.")


def test_of_the_harmony_format_only_the_final_channel_is_said() -> None:
    assert split([*HARMONY]) == ("The answer.", "Hm, well.")
    assert visible(HARMONY) == "The answer."
    assert split([*"analysisWe think.assistantfinalThe answer."]) == ("The answer.", "We think.")


def test_a_sentence_about_tags_is_no_thinking() -> None:
    sentence = "Write <think> first, then </think>."
    assert split([*sentence]) == (sentence, "")


def test_what_nobody_closes_stays_thinking_and_what_nobody_opened_stays_said() -> None:
    assert split(["<think>Hm"]) == ("", "Hm")
    assert split(["Hm</think>\nYes."]) == ("Hm\nYes.", "")


@given(st.text("abc .,\n", min_size=1, max_size=30).filter(str.strip))
def test_ordinary_text_is_passed_on_at_once(text: str) -> None:
    splitter = ThinkSplitter()
    list(splitter.feed("Well: "))
    assert list(splitter.feed(text)) == [TextDelta(text)]


def test_little_is_held_back_and_only_what_may_be_a_mark() -> None:
    for text, told in (
        ("a <", "a "),
        ("a < ", "a < "),
        ("a <div ", "a <div "),
        ("see <thi", "see "),
        ("x[", "x"),
    ):
        splitter = ThinkSplitter()
        list(splitter.feed("Well: "))
        assert "".join(d.text for d in splitter.feed(text)) == told
