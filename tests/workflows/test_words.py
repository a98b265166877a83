"""Texts in sentences, sentences in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.text import LONGEST_SENTENCE, estimated_tokens, sentences
from workflows.words import analysed, language, number, stem, words


def test_prose_is_split_at_its_sentence_ends() -> None:
    text = 'First do A. Then do B, e.g. with 3.5 percent. "Really?" Yes! Dr. Smith agrees.'
    assert sentences(text) == (
        "First do A.",
        "Then do B, e.g. with 3.5 percent.",
        '"Really?"',
        "Yes!",
        "Dr. Smith agrees.",
    )


def test_full_width_marks_end_sentences() -> None:
    assert sentences("你好世界。测试！真的吗？") == ("你好世界。", "测试！", "真的吗？")  # noqa: RUF001  # Chinese punctuation is the point


def test_markdown_is_taken_off() -> None:
    text = "# Plan\n\n- First **bold** step\n1. See [docs](http://x.y)\n> quoted _words_\n\n---\n| a | b |\n|---|---|\n| x y | z |"
    assert [" ".join(one.split()) for one in sentences(text)] == [
        "Plan",
        "First bold step",
        "See docs",
        "quoted words",
        "a b",
        "x y z",
    ]


def test_code_is_split_by_lines_and_keeps_its_marks() -> None:
    assert sentences("```python\n# note\nx = __init__()\n```") == ("# note", "x = __init__()")


def test_wrapped_lines_are_joined() -> None:
    assert sentences("This sentence goes\non here.\nAnother.") == ("This sentence goes on here.", "Another.")


@given(st.text(max_size=2000))
def test_no_sentence_is_empty_or_too_long(text: str) -> None:
    assert all(0 < len(one) <= LONGEST_SENTENCE for one in sentences(text))
    assert len(sentences(text, limit=7)) <= 7


@given(st.text(max_size=300), st.text(max_size=300))
def test_token_estimates_add_up(one: str, other: str) -> None:
    whole = estimated_tokens(one + other)
    assert whole <= estimated_tokens(one) + estimated_tokens(other) <= whole + 2
    assert estimated_tokens("") == 0


@pytest.mark.parametrize(
    "family",
    ["migrate migrates migrated migrating migration migrations", "deploy deployed deployment deployments deploying",
     "cache caches cached caching", "run running runs", "policy policies", "reliable reliability", "fail failed failing fails"],
)  # fmt: skip
def test_forms_of_a_word_have_one_stem(family: str) -> None:
    assert len({stem(word) for word in family.split()}) == 1


@given(st.text(st.characters(categories=["Ll"]), min_size=1, max_size=30))
def test_a_stem_is_short_and_never_empty(word: str) -> None:
    assert 0 < len(stem(word)) <= 7


@pytest.mark.parametrize(
    ("written", "value"),
    [("1,000", "1000"), ("1.000", "1000"), ("3.5", "3.5"), ("3,5", "3.5"), ("4.0", "4"), ("1,234,567", "1234567"),
     ("-7", "-7"), ("+7", "7"), ("10:30", "10:30"), ("2026-11-22", "2026-11-22"), ("10", "10")],
)  # fmt: skip
def test_numbers_are_equal_however_they_are_written(written: str, value: str) -> None:
    assert number(written) == value


def test_anchors_are_numbers_names_and_code() -> None:
    found = words(
        "The pool of PostgreSQL in `inventory_service` fell to 5 in Leipzig, said getUserName and the CI."
    )
    assert {"5", "postgresql", "inventory_service", "getusername", "ci"} <= found.anchors
    assert stem("leipzig") in found.anchors
    assert stem("pool") not in found.anchors
    assert found.numbers == {"5"}


def test_a_heading_in_title_case_has_no_names() -> None:
    assert words("Risk And Mitigation Plan").anchors == frozenset()


def test_function_words_are_no_content() -> None:
    assert words("It is what it is, and that is that.").terms == ()
    assert words("Das ist es, und nicht mehr.").terms == ()


def test_negations_are_counted() -> None:
    assert words("Do not deploy.").negated == 1
    assert words("Deploy.").negated == 0
    assert words("不要部署").negated == 1
    assert words("Das geht nicht ohne Test.").negated == 2


def test_scripts_without_spaces_become_pairs() -> None:
    assert words("缓存失效").terms == ("缓存", "存失", "失效")


def test_sentences_without_content_are_left_away() -> None:
    assert [one.text for one in analysed("Yes.\nDeploy the canary.\n---\n?!")] == ["Deploy the canary."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("This is a test and we should not do it twice", "en"), ("Das ist ein Test und wir sollten es nicht tun", "de"),
     ("Il faut que nous fassions les tests avec la base", "fr"), ("これはテストです", "ja"), ("这是一个测试", "zh"),
     ("Это тест", "cyrillic"), ("foo bar", ""), ("", "")],
)  # fmt: skip
def test_languages_are_told_apart_or_unknown(text: str, expected: str) -> None:
    assert language(text) == expected
