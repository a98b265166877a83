"""The JSON Schema of a workflow file: for editors, and for naming the nearest known key.

It is generated from `workflows.spec`, so that there is one truth. What a schema cannot say (that a name is defined,
that a prompt mentions the task) is left to `workflows.loading` and `workflows.lint`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from workflows.spec import WorkflowSpec
from workflows.yaml_text import Path

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of a workflow file, Draft 2020-12, as a fresh JSON object."""
    schema = WorkflowSpec.model_json_schema(schema_generator=_ForEditors)
    for part in schema["$defs"].values():
        part.pop("title")  # a Python class' name, which means nothing to an editor's user
    return schema | {"$schema": DIALECT, "title": "Stellarator workflow"}


def known_keys(path: Path) -> tuple[str, ...]:
    """The keys that the object at a path may have; empty where any may stand."""
    found: list[Mapping[str, Any]] = [_schema()]
    for part in path:
        found = [below for here in found for below in _below(here, part)]
    return tuple(
        key for here in found for variant in _variants(here) for key in variant.get("properties", {})
    )


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return json_schema()


def _below(schema: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    for variant in _variants(schema):
        if isinstance(part, int):
            yield from filter(None, [variant.get("items")])
        elif part in variant.get("properties", {}):
            yield variant["properties"][part]
        else:
            yield from variant.get("patternProperties", {}).values()


def _variants(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema without its references and alternatives."""
    if "$ref" in schema:
        yield from _variants(_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    for key in ("anyOf", "oneOf"):
        for variant in schema.get(key, ()):
            yield from _variants(variant)
    yield schema


class _ForEditors(GenerateJsonSchema):
    """Without the titles that only repeat a field's name, and with nothing beside the named entries."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        generated = super().dict_schema(schema)
        if "patternProperties" in generated:
            generated["additionalProperties"] = False
        return generated
