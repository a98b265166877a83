"""Pydantic's errors as problems that a person can mend: a place, a line and one plain sentence.

A sentence says what is right, never what stands in the file: values may be secret. Names of keys are said, and the
nearest known key is offered for an unknown one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workflows import spec_parts
from workflows.errors import Problem
from workflows.schema import known_keys
from workflows.yaml_text import Document, Path, dotted

_SENTENCES: Mapping[str, str] = {
    "missing": "this key is needed",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object: keys with values",
    "model_type": "must be an object: keys with values",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "none_required": "must be left out",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "value_error": "{error}",
}
_PATTERNS: Mapping[str, str] = {
    spec_parts.NAME_PATTERN: "must be a name of lower-case letters and digits, with `-`, `_` or `.` between them",
    spec_parts.TOOL_NAME_PATTERN: "must be a name of at most 64 letters, digits, `-` and `_`, and begin with a letter",
    spec_parts.ALIAS_PATTERN: "must be a name of at most 64 letters, digits, `-`, `_` and `.`",
    spec_parts.VARIABLE_PATTERN: "must be the name of an environment variable, never the key itself",
    spec_parts.ADDRESS_PATTERN: "must begin with http:// or https://",
}
_RULES = {
    "extra_forbidden": "unknown-key",
    "missing": "missing-key",
    "undefined_name": "undefined-name",
    "branch_name": "branch-name",
}


def problems(error: ValidationError, document: Document, file: str) -> tuple[Problem, ...]:
    """Every error as a problem, in the order of the lines; several about one value become one."""
    found: dict[Path, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        found.setdefault(_path(detail, document), []).append(detail)
    echoes = set(_echoes(found))
    all_of_them = (
        Problem(dotted(path), _message(path, details), file, document.lines.of(path), _rule(details))
        for path, details in found.items()
        if path not in echoes
    )
    return tuple(sorted(all_of_them, key=lambda problem: problem.line))


def _echoes(found: Mapping[Path, list[ErrorDetails]]) -> Iterator[Path]:
    """Errors that only follow from another one.

    A key is missing because it is misspelt; a list is too short because pydantic counts its valid entries only.
    """
    misspelt = {
        (*path[:-1], _nearest(path)) for path, details in found.items() if _type(details) == "extra_forbidden"
    }
    for path, details in found.items():
        entries_are_wrong = any(len(other) > len(path) and other[: len(path)] == path for other in found)
        if _type(details) == "missing" and path in misspelt:
            yield path
        if _type(details) == "too_short" and entries_are_wrong:
            yield path


def _path(detail: ErrorDetails, document: Document) -> Path:
    """The place in the file. Pydantic's own goes on into alternatives (``script.str``) and ``[key]``."""
    path: Path = ()
    for part in detail["loc"]:
        if (*path, part) in document.lines.by_path:
            path = (*path, part)
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path


def _type(details: list[ErrorDetails]) -> str:
    return details[0]["type"]


def _nearest(path: Path) -> str | None:
    """The known key that an unknown one probably means."""
    return next(iter(get_close_matches(str(path[-1]), known_keys(path[:-1]), n=1)), None)


def _message(path: Path, details: list[ErrorDetails]) -> str:
    if _type(details) == "extra_forbidden":
        near = _nearest(path)
        if near:
            return f"unknown key; did you mean `{near}`?"
        return f"unknown key; known here: {', '.join(f'`{key}`' for key in known_keys(path[:-1]))}"
    about_the_key = [detail for detail in details if detail["loc"][-1] == "[key]"]
    return _alternatives(dict.fromkeys(map(_sentence, about_the_key or details)))


def _sentence(detail: ErrorDetails) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] == "string_pattern_mismatch":
        return _PATTERNS[context["pattern"]]
    if "sentence" in context:
        return str(context["sentence"])
    sentence = _SENTENCES.get(detail["type"], "is not valid here").format_map(context)
    return sentence.replace("'", "`") if detail["type"] == "literal_error" else sentence


def _alternatives(sentences: Iterable[str]) -> str:
    """Join ``must be text`` and ``must be a list`` to one sentence."""
    first, *others = sentences
    return " or ".join([first, *(other.removeprefix("must be ") for other in others)])


def _rule(details: list[ErrorDetails]) -> str:
    return _RULES.get(_type(details), "invalid")
