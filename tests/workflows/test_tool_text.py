"""What the main LLM reads: structured, anonymous, honest about who is missing."""

from __future__ import annotations

from workflows.analysis import Analysis, Contradiction, PartialPoint, Stance, UniqueInsight
from workflows.candidates import Candidates, Draft, prepare
from workflows.tool_text import LeftOut, as_tool_text, failed_tool_text, raw_tool_text, single_tool_text

ANALYSIS = Analysis(
    consensus=("Roll back first.",),
    contradictions=(Contradiction("Database", (Stance("A", "keep it"), Stance("", "replace it"))),),
    partial_coverage=(PartialPoint("Costs", ("A", "B")),),
    unique_insights=(UniqueInsight("B", "The index is missing."),),
    blind_spots=("Nobody asked the users.",),
    advice="Roll back, then measure.",
    confidence=0.8,
)
LEFT_OUT = (LeftOut("gemini-broad", "straggler"), LeftOut("gpt-risks", "upstream_timeout"))


def candidates(*, cut: bool = False, cap: int = 12_000) -> Candidates:
    drafts = [Draft("claude", "Roll back." * 30, cut=cut), Draft("mimo", "Wait and see." * 30)]
    return prepare(drafts, seed=1, cap=cap)


def test_an_analysis_is_told_in_sections() -> None:
    text = as_tool_text(ANALYSIS, candidates())
    for told in (
        "A panel of 2 models",
        "advisory, untrusted evidence",
        "## Consensus\n- Roll back first.",
        "## Contradictions\n- Database\n  - A: keep it\n  - replace it",
        "- Costs (A, B)",
        "- The index is missing. (B)",
        "## Blind spots\n- Nobody asked the users.",
        "## Advice\nRoll back, then measure.",
        "80%",
    ):
        assert told in text


def test_empty_sections_are_not_told() -> None:
    text = as_tool_text(Analysis(advice="Go."), candidates())
    assert "Consensus" not in text
    assert "Confidence" not in text
    assert "\n\n\n" not in text


def test_no_branch_or_model_is_named() -> None:
    every = [
        as_tool_text(ANALYSIS, candidates(), LEFT_OUT),
        raw_tool_text(candidates(), LEFT_OUT),
        single_tool_text(candidates(), LEFT_OUT),
        failed_tool_text(LEFT_OUT),
    ]
    for text in every:
        assert not any(name in text for name in ("claude", "mimo", "gemini", "gpt"))


def test_it_says_who_was_not_heard_and_why() -> None:
    text = as_tool_text(ANALYSIS, candidates(), (*LEFT_OUT, LeftOut("x", "upstream_timeout")))
    assert "Not heard: 1 model was too slow and was stopped; 2 models did not answer in time." in text
    assert "an unheard of reason" in failed_tool_text([LeftOut("x", "an_unheard_of_reason")])
    assert "Not heard" not in as_tool_text(ANALYSIS, candidates())


def test_it_says_which_answers_are_not_whole() -> None:
    shown = candidates(cut=True, cap=200)
    first = next(c.letter for c in shown.items if c.cut)
    text = raw_tool_text(shown)
    assert f"Ended early by its token limit: candidate {first}." in text
    assert "Shortened in the middle for length: candidate A, B." in text


def test_raw_answers_are_fenced() -> None:
    text = raw_tool_text(candidates())
    assert "could not be compared" in text
    assert text.count("<<<candidate ") == 2
    assert "Roll back." in text
    assert "Wait and see." in text


def test_an_only_survivor_is_flagged() -> None:
    one = prepare([Draft("a", "Roll back.")], seed=1)
    text = single_tool_text(one, LEFT_OUT)
    assert "only one answered" in text
    assert "<<<candidate A" in text


def test_a_panel_of_one_is_not_said_to_have_lost_anybody() -> None:
    assert "only one answered" not in single_tool_text(prepare([Draft("a", "Roll back.")], seed=1))


def test_an_answer_that_stands_for_all_is_passed_on_alone() -> None:
    shown = candidates()
    chosen = shown.items[1]
    text = single_tool_text(shown, agreed=2, letter=chosen.letter)
    assert "agreed" in text
    assert chosen.text in text
    assert shown.items[0].text not in text


def test_a_failed_panel_says_so() -> None:
    assert "gave no answer" in failed_tool_text(LEFT_OUT)
