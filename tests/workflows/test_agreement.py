"""Agreement: what says the same agrees, what contradicts does not, and doubt counts as disagreement."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.agreement import CONTRADICTED, SAME_RESULT, agreement

PIECES = [
    "Deploy on Monday.",
    "Do not deploy on Monday.",
    "The pool size is 50.",
    "The pool size is 5.",
    "Answer: 42",
    "Yes.",
    "No.",
    "应该使用缓存。",
    "",
]
texts = st.lists(st.sampled_from(PIECES), max_size=4).map("\n".join)

SAME = [
    (["42", "The answer is 42."], ""),
    (["Paris", "The capital of France is Paris."], "What is the capital of France?"),
    (["The timeout should be 30 seconds.", "Timeout: 30 seconds."], ""),
    (["6 times 7.\nFinal answer: 42", "Since 7 and 6 make 42,\n**Answer:** 42", "$\\boxed{42}$"], ""),
    (["1,000 users", "1000 users"], ""),
    (["B", "The answer is B."], ""),
    (["是的。", "是的"], ""),
    (["答案：四十二", "答案是四十二"], ""),  # noqa: RUF001  # Chinese punctuation is the point
    (["Ja", "ja."], ""),
    (["<think>Lyon?</think>Paris", "Paris"], ""),
    (["Roll back and restore pool_size 50.", "Restore pool_size 50 and roll back."], ""),
]
CONTRADICTING = [
    ["Yes, you should migrate.", "No, you should not migrate."],
    ["You should use Redis for this cache.", "You should not use Redis for this cache."],
    ["The timeout should be 30 seconds.", "The timeout should be 90 seconds."],
    ["Increase the pool size to fix it.", "Decrease the pool size to fix it."],
    ["It is always safe to delete the volume.", "It is never safe to delete the volume."],
    ["The plan is fine. Deploy on Monday.", "The plan is fine. Do not deploy on Monday."],
    ["应该使用缓存来降低延迟。", "不应该使用缓存来降低延迟。"],
    ["是的，应该迁移。", "不是，不应该迁移。"],  # noqa: RUF001  # Chinese punctuation is the point
    ["Ja, unbedingt.", "Nein, auf keinen Fall."],
    ["We compute.\nFinal answer: 42", "Hence $\\boxed{43}$"],
    ["Paris", "Lyon"],
]
DIFFERENT = [
    ["Paris", "Paris or Lyon, depending on the source."],
    ["42", "I think it is 42, but other sources say 45."],
    ["Use PostgreSQL", "Avoid PostgreSQL; choose SQLite."],
    [
        "Start with smoke tests and quarantine flaky ones.",
        "Prefer contract tests, then measure escaped defects.",
    ],
    ["B", "The answer is C."],
    ["", "Deploy."],
    ["", ""],
]


@pytest.mark.parametrize(("answers", "question"), SAME)
def test_equal_results_agree(answers: list[str], question: str) -> None:
    assert agreement(answers, question).score >= SAME_RESULT


@pytest.mark.parametrize("answers", CONTRADICTING)
def test_contradictions_break_agreement_however_alike_the_words(answers: list[str]) -> None:
    found = agreement(answers)
    assert found.score <= CONTRADICTED
    assert found.contradictions == ((0, 1),)


@pytest.mark.parametrize("answers", DIFFERENT)
def test_doubt_counts_as_disagreement(answers: list[str]) -> None:
    assert agreement(answers).score < 0.7


def test_one_dissenter_decides_the_score_of_the_panel() -> None:
    found = agreement(["Paris", "It is Paris.", "Lyon"])
    assert found.matrix[0][1] >= SAME_RESULT
    assert found.score <= CONTRADICTED
    assert found.contradictions == ((0, 2), (1, 2))


def test_the_most_central_answer_is_best() -> None:
    middle = "Roll back the release and restore the pool. Then add an alert on waiting time."
    texts = [
        "Add an alert on waiting time. Buy a bigger server.",
        middle,
        "Roll back the release and restore the pool.",
    ]
    assert agreement(texts).best == 1


def test_of_equals_the_first_is_best() -> None:
    assert agreement(["Paris", "Paris", "Paris"]).best == 0


def test_a_single_answer_agrees_with_itself() -> None:
    found = agreement(["Deploy."])
    assert (found.score, found.matrix, found.best) == (1.0, ((1.0,),), 0)


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="at least one"):
        agreement([])


@given(st.lists(texts, min_size=1, max_size=5))
def test_the_matrix_is_symmetric_and_bounded(answers: list[str]) -> None:
    found = agreement(answers)
    size = range(len(answers))
    assert all(found.matrix[i][j] == found.matrix[j][i] for i in size for j in size)
    assert all(0 <= value <= 1 for row in found.matrix for value in row)
    assert all(found.matrix[i][i] == 1 for i in size)
    assert found.score == min([1.0, *(found.matrix[i][j] for i in size for j in size if i != j)])
    assert json.loads(json.dumps(found.to_json()))["best"] == found.best


@given(st.lists(texts, min_size=3, max_size=3))
def test_the_order_of_the_answers_does_not_matter(answers: list[str]) -> None:
    scores = [agreement(list(order)).score for order in permutations(answers)]
    assert scores == pytest.approx([scores[0]] * len(scores))


@given(texts.filter(lambda text: bool(text.strip())))
def test_an_answer_agrees_wholly_with_its_copy(text: str) -> None:
    assert agreement([text, f"  {text}\n"]).score == 1
