"""JSON as models write it is read; valid JSON is read as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows import lenient_json

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
)
objects = st.dictionaries(st.text(max_size=8), values, min_size=1, max_size=4)


@given(objects)
def test_valid_json_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert list(lenient_json.objects(json.dumps(value))) == [value]
    assert lenient_json.value(json.dumps(value, indent=2)) == value


@given(objects)
def test_prose_and_fences_around_it_do_no_harm(value: dict[str, Any]) -> None:
    text = f"Here it is:\n```json\n{json.dumps(value)}\n```\nI hope this helps!"
    assert list(lenient_json.objects(text)) == [value]


@given(st.text(st.sampled_from("{}[]\"':,\\ab1 \n/#*"), max_size=60))
@settings(max_examples=300)
def test_anything_is_survived(text: str) -> None:
    for found in lenient_json.objects(text):
        assert isinstance(found, dict)


@given(objects, st.data())
def test_a_missing_end_is_survived(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(min_value=1, max_value=len(text)))]
    for found in lenient_json.objects(cut):
        assert isinstance(found, dict)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": [1, 2,], "b": "x",}', {"a": [1, 2], "b": "x"}),
        ("{'a': 'it', 'b': True, 'c': None}", {"a": "it", "b": True, "c": None}),
        ("{a: 1, b: two}", {"a": 1, "b": "two"}),
        ('{"a": "first line\nsecond line"}', {"a": "first line\nsecond line"}),
        ('{"a": "he said "yes" to it"}', {"a": 'he said "yes" to it'}),
        ('{"a": 1 // why\n, /* and */ "b": 2}', {"a": 1, "b": 2}),
        ('{"a": ["x"\n "y"]\n "b": 3}', {"a": ["x", "y"], "b": 3}),
        ("{\u201ca\u201d: \u201cquoted\u201d}", {"a": "quoted"}),
        (r'{"a": "snake\_case", "b": "tab\there"}', {"a": "snake_case", "b": "tab\there"}),
        ('{"a": {"b": ["cut of', {"a": {"b": ["cut of"]}}),
        ('{"a": -1.5e3}', {"a": -1500.0}),
    ],
)
def test_mistakes_are_forgiven(text: str, expected: dict[str, Any]) -> None:
    assert list(lenient_json.objects(text)) == [expected]


def test_several_objects_are_found_in_order() -> None:
    assert list(lenient_json.objects('{"a": 1} and {"b": {"c": 2}}')) == [{"a": 1}, {"b": {"c": 2}}]


def test_text_without_json_is_refused() -> None:
    assert list(lenient_json.objects("no braces")) == []
    with pytest.raises(ValueError, match="no JSON"):
        lenient_json.value("no braces")


@pytest.mark.parametrize(
    "text",
    ["{" * 5000, '{"a":' * 5000, "[" * 5000 + "{", '{"a":' * 400 + "1" + "}" * 400, '{"a": "' + "\\" * 5001],
)
def test_hostile_nesting_ends(text: str) -> None:
    list(lenient_json.objects(text))


def test_hostile_nesting_in_a_string_ends() -> None:
    assert lenient_json.value("[" * 900 + "]" * 900)
    assert lenient_json.value("[" * 9000)
