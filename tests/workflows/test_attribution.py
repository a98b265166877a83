"""Attribution: shares, evidence and flags; and the figures that its docstring claims."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows.attribution_figures import FLAGS, cases, figures, table
from workflows import attribution
from workflows.attribution import attribute

BRANCHES = (
    (
        "broad",
        "Start with ten smoke tests for the revenue-critical paths. Publish traces as build artifacts.",
    ),
    ("risks", "Quarantine every flaky test after two failures. Seed a fresh tenant for every shard."),
    ("diverse", "Accessibility checks with axe can ride along. Measure escaped defects per release."),
)
SENTENCES = [sentence for _, text in BRANCHES for sentence in text.split(". ")] + [
    "Nobody said this sentence about penguins.",
    "Yes.",
    "```python\nprint(1)\n```",
    "数据更新后要主动删除缓存。",
]
texts = st.lists(st.sampled_from(SENTENCES), max_size=8).map("\n".join)


def test_figures_in_the_docstring_are_true() -> None:
    """The docstring's table is what the labelled cases give today."""
    assert attribution.__doc__ is not None
    assert table() in attribution.__doc__, f"put this into the docstring:\n{table()}"


def test_there_are_enough_cases_of_every_kind() -> None:
    found = list(cases())
    assert len(found) >= 60
    assert {case.part for case in found} == {"tuning", "held_out"}
    for flag in FLAGS:
        assert sum(flag in case.flags for case in found) >= 8
    assert len({case.name for case in found}) == len(found)


@pytest.mark.parametrize("part", ["tuning", "held_out"])
def test_flags_are_right(part: str) -> None:
    scored = figures(part)
    for rate in scored.flags.values():
        assert rate.precision >= 0.8
        assert rate.recall >= 0.9


@pytest.mark.parametrize("part", ["tuning", "held_out"])
def test_sentences_are_traced_to_their_branches(part: str) -> None:
    scored = figures(part)
    assert scored.sentences.precision >= 0.95
    assert scored.sentences.recall >= 0.9
    assert scored.share_error <= 0.1


@given(texts, texts, texts, texts)
@settings(max_examples=60, deadline=None)
def test_shares_and_the_rest_sum_to_one(one: str, other: str, synthesis: str, answer: str) -> None:
    found = attribute([("one", one), ("other", other)], answer=answer, synthesis=synthesis)
    for origin in filter(None, (found.synthesis, found.answer)):
        assert sum(origin.shares) + origin.unattributed == pytest.approx(1)
        assert all(0 <= share <= 1 + 1e-9 for share in (*origin.shares, origin.unattributed))
        assert sum(traced.weight for traced in origin.sentences) == pytest.approx(
            1 if origin.sentences else 0
        )
    assert all(0 <= c.unique <= 1 for c in found.contributions)


@given(texts)
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_branches_does_not_matter(answer: str) -> None:
    shares = [
        {c.branch: pytest.approx(c.answer) for c in attribute(order, answer=answer).contributions}
        for order in permutations(BRANCHES)
    ]
    assert all(found == shares[0] for found in shares)


@given(texts, texts, texts)
@settings(max_examples=40, deadline=None)
def test_similarity_is_symmetric(one: str, two: str, three: str) -> None:
    matrix = attribute([("one", one), ("two", two), ("three", three)], answer="").similarity
    assert all(matrix[i][j] == matrix[j][i] for i in range(3) for j in range(3))
    assert all(0 <= value <= 1 for row in matrix for value in row)
    assert all(matrix[i][i] == 1 for i in range(3))


def test_every_credit_is_explained_by_a_pair_of_sentences() -> None:
    found = attribute(BRANCHES, answer="Seed a fresh tenant for each shard.\nBuy penguins.")
    seeded, bought = found.answer.sentences
    assert seeded.evidence[0].source == "risks"
    assert seeded.evidence[0].sentence == "Seed a fresh tenant for every shard."
    assert seeded.evidence[0].credit == pytest.approx(1)
    assert bought.evidence == ()


def test_what_several_branches_say_is_shared_between_them() -> None:
    both = "Roll back the release at once."
    found = attribute([("a", both), ("b", both), ("c", "Wait until Monday.")], answer=both)
    assert [c.answer for c in found.contributions] == pytest.approx([0.5, 0.5, 0])
    assert [c.unique for c in found.contributions] == pytest.approx([0, 0, 1])


def test_words_of_the_task_are_weak_evidence() -> None:
    task = "Should we connect Playwright and quality gates to the pipeline?"
    answer = "Connect Playwright and quality gates after the summer holidays end."
    branch = [("a", "Connect Playwright and quality gates only when unit coverage is high.")]
    told, untold = attribute(branch, answer=answer, task=task), attribute(branch, answer=answer)
    assert told.contributions[0].answer < untold.contributions[0].answer


def test_thinking_contributes_nothing() -> None:
    found = attribute([("a", "<think>Buy penguins soon.</think>Sell whales.")], answer="Buy penguins soon.")
    assert found.contributions[0].answer == 0


def test_without_a_synthesis_there_are_no_shares_of_it() -> None:
    found = attribute(BRANCHES, answer="Measure escaped defects per release.")
    assert found.synthesis is None
    assert all(c.synthesis is None for c in found.contributions)


def test_a_copied_synthesis_is_flagged_even_when_the_answer_is_not() -> None:
    found = attribute(
        BRANCHES,
        synthesis=BRANCHES[1][1],
        answer="Measure escaped defects; publish traces; seed a fresh tenant.",
    )
    assert [(flag.name, flag.text, flag.branches) for flag in found.flags] == [
        ("copied_one_branch", "synthesis", ("risks",))
    ]


def test_an_only_branch_is_neither_copied_nor_similar() -> None:
    found = attribute(BRANCHES[:1], answer=BRANCHES[0][1])
    assert found.flags == ()
    assert found.contributions[0].answer == pytest.approx(1)


def test_another_language_is_compared_by_anchors_and_never_called_ignored() -> None:
    branch = [
        ("a", "The pool in `inventory_service` shrank from 50 to 5 connections and this was not seen by us.")
    ]
    german = "Der Pool von `inventory_service` ist von 50 auf 5 geschrumpft, und das haben wir nicht gesehen."
    other = "Wir haben das nicht gesehen und sollten die Ursache mit den Kollegen noch einmal besprechen."
    shrunk = attribute(branch, answer=german)
    assert shrunk.languages_differ
    assert shrunk.contributions[0].answer > 0.8
    assert attribute(branch, answer=other).flags == ()


@pytest.mark.parametrize("answer", ["", "   ", "Yes.", "<think>only</think>"])
def test_an_answer_without_content_is_unattributed_and_unflagged(answer: str) -> None:
    found = attribute(BRANCHES, answer=answer)
    assert found.answer.unattributed == 1
    assert found.flags == ()


def test_no_branches_at_all() -> None:
    found = attribute([], answer="Something was said.")
    assert found.answer.unattributed == 1
    assert found.flags == ()
    assert found.similarity == ()


def test_it_is_json_and_deterministic() -> None:
    one = attribute(BRANCHES, answer=BRANCHES[0][1], synthesis=BRANCHES[1][1], task="What now?")
    again = attribute(BRANCHES, answer=BRANCHES[0][1], synthesis=BRANCHES[1][1], task="What now?")
    assert json.dumps(one.to_json()) == json.dumps(again.to_json())


def test_hostile_repetition_stays_bounded() -> None:
    """Every sentence alike: matching would be quadratic without its bounds. The timeout of the suite is the judge."""
    text = "deploy canary now. " * 700
    found = attribute([("a", text), ("b", text)], answer=text)
    assert len(found.answer.sentences) <= 500
