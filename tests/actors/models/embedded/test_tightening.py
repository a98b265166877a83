from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from actors.models.embedded.tightening import ANY_OBJECT, longest, tightened
from workflows.analysis import schema

TEXTS = st.text(st.characters(min_codepoint=97, max_codepoint=122))


def values(told: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What the tightened schema allows."""
    if "enum" in told:
        return st.sampled_from(told["enum"])
    match told["type"]:
        case "string":
            return st.text(st.characters(min_codepoint=97, max_codepoint=122), max_size=told["maxLength"])
        case "array":
            return st.lists(values(told["items"]), min_size=told["minItems"], max_size=told["maxItems"])
        case "object":
            return st.fixed_dictionaries({name: values(part) for name, part in told["properties"].items()})
        case _:
            return st.sampled_from([0, 1, 0.25, 0.6])


schemas = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "number"}, {"type": "string", "enum": ["A", "BC"]}]),
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        st.dictionaries(TEXTS, inner, max_size=3).map(
            lambda parts: {
                "type": "object",
                "properties": parts,
                "required": list(parts),
                "additionalProperties": False,
            }
        ),
    ),
    max_leaves=5,
)


@given(schemas, st.data())
def test_what_fits_the_tightened_schema_fits_the_original(told: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(values(tightened(told)))
    assert not list(Draft202012Validator(told).iter_errors(value))


@given(schemas, st.data())
def test_no_answer_is_longer_than_the_longest(told: dict[str, Any], data: st.DataObject) -> None:
    tight = tightened(told)
    assert len(json.dumps(data.draw(values(tight)))) <= longest(tight)


def test_an_analysis_is_bounded_everywhere() -> None:
    tight = tightened(schema(("A", "B", "C")))
    assert longest(tight) < 3500
    assert tight["properties"]["consensus"]["minItems"] == 1
    assert tight["properties"]["contradictions"]["minItems"] == 0


def test_bounds_that_are_there_stay() -> None:
    told = {"type": "array", "items": {"type": "string", "maxLength": 7}, "minItems": 4, "maxItems": 9}
    assert tightened(told) == told


def test_an_empty_list_may_be_demanded() -> None:
    told = {
        "type": "object",
        "properties": {"none": {"type": "array", "items": {"type": "string"}, "maxItems": 0}},
    }
    assert tightened(told)["properties"]["none"]["minItems"] == 0


def test_a_longer_least_length_wins() -> None:
    assert tightened({"type": "string", "minLength": 500})["maxLength"] == 500


def test_alternatives_and_definitions_are_tightened() -> None:
    told = {
        "$defs": {"name": {"type": "string"}},
        "anyOf": [{"type": ["string", "null"]}, {"$ref": "#/$defs/name"}],
    }
    tight = tightened(told)
    assert "maxLength" in tight["$defs"]["name"]
    assert "maxLength" in tight["anyOf"][0]
    assert longest(tight) > 0


def test_any_object_becomes_one_with_a_form() -> None:
    assert longest(tightened(ANY_OBJECT)) < 200
