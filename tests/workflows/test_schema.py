from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from tests.workflows.workflow_texts import GOOD, edited
from workflows import yaml_text
from workflows.catalog import names, template_text
from workflows.errors import WorkflowInvalid
from workflows.loading import parse
from workflows.schema import DIALECT, json_schema, known_keys
from workflows.spec import Duration

DURATION: TypeAdapter[float] = TypeAdapter(Duration)


def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def accepts(text: str) -> bool:
    return validator().is_valid(yaml_text.read(text).data)


def test_the_schema_is_a_valid_one_with_a_title() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert (schema["$schema"], schema["title"]) == (DIALECT, "Stellarator workflow")


@pytest.mark.parametrize("name", names())
def test_every_shipped_template_is_valid(name: str) -> None:
    assert list(validator().iter_errors(yaml_text.read(template_text(name)).data)) == []


@pytest.mark.parametrize(
    "change",
    [
        ("version: 1", "version: 2"),
        ("mode: fusion", "mode: fusion\n    extra: 1"),
        ("temperature: 0.4", "temprature: 0.4"),
        ("grace: 500ms", "grace: soon"),
        ("grace: 500ms", "grace: -1"),
        ("name: risks", "nam: risks"),
        ("  review:", "  bad name:"),
        ("quorum: 2", "quorum: 0"),
    ],
)
def test_what_an_editor_can_see_the_schema_refuses_as_the_loader_does(change: tuple[str, str]) -> None:
    text = edited(change)
    assert not accepts(text)
    with pytest.raises(WorkflowInvalid):
        parse(text)


def test_durations_are_text_or_numbers() -> None:
    assert accepts(GOOD)
    assert accepts(edited(("grace: 500ms", "grace: 8"), ("timeout: 1m", "timeout: 1.5h")))


@given(st.text(max_size=12) | st.from_regex(r"\A[0-9]{1,3}(\.[0-9])?\s?(ms|s|m|h|d)?\Z"))
def test_loader_and_schema_agree_on_every_duration(text: str) -> None:
    try:
        DURATION.validate_python(text)
    except ValidationError:
        loads = False
    else:
        loads = True
    assert Draft202012Validator(DURATION.json_schema()).is_valid(text) == loads


def test_every_object_and_nearly_every_key_explains_itself() -> None:
    definitions: dict[str, Any] = json_schema()["$defs"]
    assert all(
        "description" in definition and "title" not in definition for definition in definitions.values()
    )
    assert "when to call" in definitions["FusionToolSpec"]["properties"]["description"]["description"]


def test_known_keys_are_found_at_any_depth() -> None:
    assert "deployment" in known_keys(())
    assert "base_url" in known_keys(("models", "any"))
    assert "cached_input" in known_keys(("models", "any", "price"))
    assert "prompt" in known_keys(("tools", "any", "branches", 3))
    assert known_keys(("tools", "any", "branches", 3, "examples", 0)) == ("user", "assistant")
    assert known_keys(("models", "any", "headers")) == ()
    assert known_keys(("nowhere", "at", "all")) == ()
