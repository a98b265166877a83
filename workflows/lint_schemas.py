"""Lint rules about the JSON Schemas of a mounted tool: its `input_schema`, and the conditions under `when`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from workflows.findings import Finding
from workflows.spec import Place, ToolSpec, WorkflowSpec
from workflows.variables import ABOUT_THE_BRANCHES, ABOUT_THE_CALL

_TAKEN = (ABOUT_THE_CALL | ABOUT_THE_BRANCHES | {"loop", "self"}) - {"task"}
_RULE = "input-schema"


def input_schema_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """The schema is valid, closed in itself, leaves our variables their names, and suits the tool's trigger."""
    for name, tool in spec.tools.items():
        place = ("tools", name, "input_schema")
        schema = tool.input_schema
        if (broken := _broken(place, schema)) is not None:
            yield broken
            continue
        if schema.get("type") != "object":
            yield Finding(place, "must have `type: object`: tools take an object", _RULE)
            continue
        yield from _properties(place, schema)
        yield from _references(place, schema, schema)
        yield from _trigger(place, tool)


def condition_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """What `when` asks of the arguments can be asked of them."""
    for name, tool in spec.tools.items():
        if tool.when is None:
            continue
        place = ("tools", name, "when")
        properties = tool.input_schema.get("properties", {})
        for argument in tool.when.min_length:
            if argument not in properties:
                message = (
                    f"the tool has no argument `{argument}`; its arguments: {', '.join(properties) or 'none'}"
                )
                yield Finding((*place, "min_length", argument), message, "unknown-argument")
        schema = tool.when.arguments
        if schema is not None:
            broken = _broken((*place, "arguments"), schema)
            yield from [broken] if broken else _references((*place, "arguments"), schema, schema)


def _broken(place: Place, schema: Mapping[str, Any]) -> Finding | None:
    """What is wrong with a JSON Schema as such."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        message = f"is not valid JSON Schema (it breaks the rule `{error.validator}`)"
        return Finding((*place, *error.absolute_path), message, _RULE)
    return None


def _properties(place: Place, schema: Mapping[str, Any]) -> Iterator[Finding]:
    properties = schema.get("properties", {})
    for name in sorted(_TAKEN & properties.keys()):
        message = "prompts have a variable of this name already; choose another"
        yield Finding((*place, "properties", name), message, _RULE)
    for name in schema.get("required", ()):
        if name not in properties:
            yield Finding((*place, "required"), f"`{name}` is required but not a property", _RULE)


def _references(place: Place, value: Any, root: Mapping[str, Any]) -> Iterator[Finding]:
    """References to other documents would have to be fetched, by us and by every provider."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _references((*place, i), item, root)
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(item, str) and not _resolves(item, root):
                yield Finding((*place, key), "must point to a part of this schema: `#/...`", _RULE)
            yield from _references((*place, key), item, root)


def _resolves(reference: str, root: Mapping[str, Any]) -> bool:
    """Whether a reference is a JSON pointer (RFC 6901) to something in the schema."""
    if reference != "#" and not reference.startswith("#/"):
        return False
    here: Any = root
    for step in reference.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        try:
            here = here[int(key)] if isinstance(here, list) else here[key]
        except (LookupError, TypeError, ValueError):
            return False
    return True


def _trigger(place: Place, tool: ToolSpec) -> Iterator[Finding]:
    if tool.trigger != "always":
        return
    properties = tool.input_schema.get("properties", {})
    required = tool.input_schema.get("required", ())
    for name in required:
        if name in properties and not _takes_text(properties[name]):
            message = (
                f"`trigger: always` calls the tool with the last user message as text, but `{name}` is required "
                "and takes no text"
            )
            yield Finding((*place, "properties", name), message, "always-needs-text")


def _takes_text(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string"
