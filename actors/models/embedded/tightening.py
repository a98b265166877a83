"""JSON Schemas with bounds, so that a small model comes to an end. Pure.

The server turns a schema into a grammar. Within an unbounded string or list this model goes on until its tokens are
used up, and the JSON is cut in two; with bounds everywhere the longest possible answer is known (`longest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_TEXT = 120
"""Characters of a text in the answer's object, or in a list in it."""

MAX_INNER_TEXT = 90
"""Characters of a text further down."""

MAX_TEXTS = 2
MAX_OBJECTS = 3
"""Items of a list."""

_NEAR = 2  # the answer's object is 0, its members are 1, the items of its lists are 2
_UNKNOWN = 200
_NUMBER = 20

_INNER = ("items", "additionalProperties", "contains", "not")
_MEMBERS = ("properties", "$defs", "definitions", "patternProperties")
_CHOICES = ("anyOf", "oneOf", "allOf", "prefixItems")

ANY_OBJECT: Mapping[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
"""What stands for "some JSON object": left to itself, the model does not find its end."""


def tightened(schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The schema with `maxLength`, `maxItems` and `minItems` wherever it has none; whatever fits it, fits the original.

    A list of texts in the answer's object has at least one. A list of objects may stay empty: what this model is
    forced to find there, it makes up.
    """
    told = dict(schema)
    if _is(schema, "string") and "enum" not in schema and "const" not in schema:
        limit = MAX_TEXT if depth <= _NEAR else MAX_INNER_TEXT
        told.setdefault("maxLength", max(limit, schema.get("minLength", 0)))
    if _is(schema, "array"):
        texts = _is(schema.get("items", {}), "string")
        told.setdefault("minItems", min(int(texts and depth < _NEAR), schema.get("maxItems", 1)))
        told.setdefault("maxItems", max(MAX_TEXTS if texts else MAX_OBJECTS, told["minItems"]))
    for key in _INNER:
        if isinstance(schema.get(key), Mapping):
            told[key] = tightened(schema[key], depth + 1)
    for key in _MEMBERS:
        if isinstance(schema.get(key), Mapping):
            told[key] = {name: _part(part, depth + 1) for name, part in schema[key].items()}
    for key in _CHOICES:
        if isinstance(schema.get(key), list):
            told[key] = [_part(part, depth) for part in schema[key]]
    return told


def longest(schema: Mapping[str, Any]) -> int:
    """Characters of the longest answer that a tightened schema allows; references are guessed."""
    if "enum" in schema or "const" in schema:
        return max((len(str(value)) + 2 for value in schema.get("enum", [schema.get("const")])), default=0)
    if choices := [part for key in ("anyOf", "oneOf") for part in schema.get(key, ())]:
        return max(longest(part) for part in choices)
    if _is(schema, "string"):
        return int(schema.get("maxLength", _UNKNOWN)) + 2
    if _is(schema, "array"):
        return 2 + int(schema.get("maxItems", MAX_TEXTS)) * (longest(schema.get("items", {})) + 2)
    if "properties" in schema:
        return 2 + sum(len(name) + 6 + longest(part) for name, part in schema["properties"].items())
    return (
        _NUMBER if any(_is(schema, kind) for kind in ("number", "integer", "boolean", "null")) else _UNKNOWN
    )


def _part(schema: Any, depth: int) -> Any:
    return tightened(schema, depth) if isinstance(schema, Mapping) else schema


def _is(schema: Mapping[str, Any], kind: str) -> bool:
    told = schema.get("type")
    return told == kind or (isinstance(told, list) and kind in told)
