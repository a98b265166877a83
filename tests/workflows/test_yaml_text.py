from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.errors import WorkflowInvalid
from workflows.yaml_text import MAX_CHARACTERS, MAX_VALUES, dotted, read

KEYS = st.text(max_size=80)
"""YAML reads keys of at most 1024 characters on the line of their value, and JSON needs twelve for an emoji."""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def refused(text: str) -> WorkflowInvalid:
    with pytest.raises(WorkflowInvalid) as caught:
        read(text, "f.yaml")
    return caught.value


@given(st.text() | st.text(alphabet="ab:-[]{}&*!|>'\"#%?, \n\t~.0"))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        document = read(text)
    except WorkflowInvalid:
        return
    json.dumps(document.data, allow_nan=False)


@given(JSON_VALUES)
def test_json_is_read_as_the_value_that_it_is(value: object) -> None:
    assert read(json.dumps(value)).data == value


def test_every_value_has_the_line_of_its_key() -> None:
    text = "a: 1\nb:\n  - x\n  - c: |\n      long\n    d: {e: 2}\n"
    lines = read(text).lines
    assert [lines.of(path) for path in [("a",), ("b",), ("b", 0), ("b", 1, "c"), ("b", 1, "d", "e")]] == [
        1,
        2,
        3,
        4,
        6,
    ]


def test_an_unknown_path_has_the_line_of_what_is_around_it() -> None:
    assert read("a:\n  b: 1\n").lines.of(("a", "b", "nowhere", 3)) == 2


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    (problem,) = refused("a: 1\nb: 2\na: 3\n").problems
    assert (problem.where, problem.line, problem.rule) == ("a", 3, "duplicate-key")
    assert "first in line 1" in problem.message


@pytest.mark.parametrize(("text", "value"), [("yes", "yes"), ("on", "on"), ("0o17", 15), ("1:30", "1:30")])
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert read(f"a: {text}").data == {"a": value}


def test_a_date_stays_text() -> None:
    assert read("a: 2026-11-22").data == {"a": "2026-11-22"}


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object:os.system x",
        "a: !!binary aGk=",
        "a: !!int x",
        'a: "\\ud800"',
        "a: .inf",
        "a: " + "9" * 5000,
        "1: a",
        "<<: {a: 1}",
        "a: 1\n---\nb: 2",
        "a: [",
        "a: *nowhere",
        "a\x00b",
        "",
        "# only a comment",
    ],
)
def test_what_is_not_plain_data_is_refused(text: str) -> None:
    assert refused(text).problems[0].file == "f.yaml"


def test_the_line_of_broken_yaml_is_told() -> None:
    assert refused("a: 1\nb: c: d\n").problems[0].line == 2
    assert refused("a: 1\nb: \x07\n").problems[0].line == 2


def test_an_anchor_may_be_used_again_and_nothing_is_printed_about_it() -> None:
    assert read("a: &x 1\nb: &x 2\nc: *x\n").data == {"a": 1, "b": 2, "c": 2}


def test_a_list_that_holds_itself_is_refused() -> None:
    assert refused("a: &a [*a]").problems[0].rule == "too-large"


def test_aliases_cannot_blow_a_small_file_up() -> None:
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    text = "\n".join(["a0: &a0 [x, x]", *levels])
    assert refused(text).problems[0].message.endswith(f"more than {MAX_VALUES:,} values")


@pytest.mark.parametrize("text", ["[" * 1000, "[" * 90 + "]" * 90, "x" * (MAX_CHARACTERS + 1)])
def test_depth_and_size_are_bounded(text: str) -> None:
    assert refused(text).problems[0].rule == "too-large"


def test_a_path_is_written_with_dots() -> None:
    assert dotted(("tools", "x", "branches", 0)) == "tools.x.branches.0"
