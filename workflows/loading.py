"""Workflow files to `WorkflowSpec` and back.

    text -> yaml_text.read (data, lines) -> WorkflowSpec (strict) -> complaints (problems with file and line)

What `parse` accepts is well-formed and complete, and every name in it is defined. Whether it is wise, and whether its
prompts can be rendered, is said by `workflows.lint.check`.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from workflows import complaints, yaml_text
from workflows.errors import UsageError, WorkflowInvalid
from workflows.spec import WorkflowSpec

_LINE_WIDTH = 110


def parse(text: str, file: str = "") -> WorkflowSpec:
    """Read a workflow from YAML (or JSON, which is YAML).

    Args:
        text: the file's content.
        file: its name, for the problems.

    Raises:
        WorkflowInvalid: with every problem found, each with line and place.

    """
    return of(yaml_text.read(text, file), file)


def of(document: yaml_text.Document, file: str = "") -> WorkflowSpec:
    """Build a workflow from a document that was read already; errors as in `parse`."""
    try:
        # By way of JSON: there, strict takes lists for tuples, and still refuses "3" and true for 3.
        return WorkflowSpec.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        raise WorkflowInvalid(file, complaints.problems(error, document, file)) from None


def load(path: Path | str) -> WorkflowSpec:
    """Read a workflow from a file; errors as in `parse`, and `UsageError` when it cannot be read."""
    return parse(read_text(path), str(path))


def read_text(path: Path | str) -> str:
    """Read a file that may hold a workflow: the only access to files in this package.

    Raises:
        UsageError: it cannot be read, or is not UTF-8 text.

    """
    most = (
        4 * yaml_text.MAX_CHARACTERS + 4
    )  # a character has at most four bytes; what is longer is refused later
    try:
        with Path(path).open("rb") as file:
            return file.read(most).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or 'the system refuses'}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text.") from None


def content_hash(spec: WorkflowSpec) -> str:
    """SHA-256 in hexadecimal of what the workflow says.

    Comments, the order of keys and defaults that are written out do not count; so a file keeps its hash when a
    later version knows more keys.
    """
    canonical = json.dumps(said(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def dump(spec: WorkflowSpec) -> str:
    """A workflow as YAML that `parse` reads back as an equal one; defaults are left out."""
    yaml = YAML()
    yaml.width = _LINE_WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_for_people(said(spec)), stream)
    return stream.getvalue()


def said(spec: WorkflowSpec) -> Any:
    """What the workflow says, as JSON without the defaults."""
    return _without_points(spec.model_dump(mode="json", exclude_defaults=True))


def _without_points(value: Any) -> Any:
    """Whole numbers as integers, since YAML and JSON make no difference: 60.0 and 60 say the same."""
    match value:
        case dict():
            return {key: _without_points(item) for key, item in value.items()}
        case list():
            return [_without_points(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _for_people(value: Any) -> Any:
    """Texts of several lines as blocks, and texts with characters that a block would change in double quotes."""
    match value:
        case dict():
            return {_quoted(key): _for_people(item) for key, item in value.items()}
        case list():
            return [_for_people(item) for item in value]
        case str() if "\n" in value and _reads_well_as_a_block(value):
            return LiteralScalarString(value)
        case str():
            return _quoted(value)
        case _:
            return value


def _quoted(text: str) -> str:
    return text if text.isprintable() else DoubleQuotedScalarString(text)


def _reads_well_as_a_block(text: str) -> bool:
    lines = text.split("\n")
    begins_with_text = bool(lines[0]) and not text[0].isspace()
    return begins_with_text and all(line.isprintable() and line == line.rstrip() for line in lines)
