"""YAML 1.2 text to plain JSON data, with the line of every value.

Safe by construction: only null, booleans, finite numbers, text, lists and objects with text keys come out; tags,
duplicate keys and several documents are refused; size, depth and the number of values are bounded, so that aliases
(``*name``) cannot blow a small file up. A date stays the text that it was.

This module knows nothing about workflows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ruamel.yaml import YAML, Node
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from workflows.errors import Problem, WorkflowInvalid

MAX_CHARACTERS = 262_144
MAX_VALUES = 50_000
MAX_DEPTH = 64

Path: TypeAlias = tuple[str | int, ...]

_TEXT_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"}
_SCALAR_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}
_LIST_TAG = "tag:yaml.org,2002:seq"
_OBJECT_TAG = "tag:yaml.org,2002:map"


@dataclass(frozen=True, slots=True)
class Lines:
    """The 1-based line of every value of a text, by path."""

    by_path: Mapping[Path, int]

    def of(self, path: Path) -> int:
        """The line of a value, or of the nearest value around it; 0 when nothing is known."""
        while path not in self.by_path and path:
            path = path[:-1]
        return self.by_path.get(path, 0)


NO_LINES = Lines({})
"""For a workflow that was not read from a text."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a text holds."""

    data: Any
    lines: Lines


def read(text: str, file: str = "") -> Document:
    """Read one YAML document.

    Raises:
        WorkflowInvalid: it is not one, or goes beyond the bounds; with the line.

    """
    if len(text) > MAX_CHARACTERS:
        raise refusal(file, 0, f"the file has more than {MAX_CHARACTERS:,} characters", "too-large")
    node = _composed(text, file)
    if node is None:
        raise refusal(file, 1, "the file is empty", "empty")
    reader = _Reader(file)
    data = reader.value(node, (), 1)
    if reader.problems:
        raise WorkflowInvalid(file, tuple(reader.problems))
    return Document(data, Lines(reader.lines))


def refusal(file: str, line: int, message: str, rule: str) -> WorkflowInvalid:
    """The error for a whole file."""
    return WorkflowInvalid(file, (Problem("", message, file, line, rule),))


def dotted(path: Path) -> str:
    """A path as people write it: ``tools.problem_review.branches.0.prompt``."""
    return ".".join(map(str, path))


def _composed(text: str, file: str) -> Node | None:
    """The tree of the text's only document; None when there is none."""
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # YAML allows it, and the warning would quote the file
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = (error.context, error.problem) if isinstance(error, ComposerError) else (error.problem,)
        said = " ".join(filter(None, told))
        raise refusal(file, mark.line + 1 if mark else 0, f"is not valid YAML: {said}", "yaml") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise refusal(file, line, "is not valid YAML: it holds a control character", "yaml") from None
    except RecursionError:
        raise refusal(file, 0, "the file is nested too deeply", "too-large") from None
    return node


class _Reader:
    """Walks a composed tree; collects lines and problems."""

    def __init__(self, file: str) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._constructor = YAML(typ="safe", pure=True).constructor

    def value(self, node: Node, path: Path, line: int) -> Any:
        """The data below a node, which stands at that line."""
        self.lines[path] = line
        if len(self.lines) > MAX_VALUES:
            raise refusal(self._file, line, f"the file holds more than {MAX_VALUES:,} values", "too-large")
        if len(path) > MAX_DEPTH:
            raise refusal(self._file, line, f"more than {MAX_DEPTH} levels stand in one another", "too-large")
        if isinstance(node, MappingNode) and node.tag == _OBJECT_TAG:
            return self._object(node, path, line)
        if isinstance(node, SequenceNode) and node.tag == _LIST_TAG:
            return [
                self.value(item, (*path, i), max(line, item.start_mark.line + 1))
                for i, item in enumerate(node.value)
            ]
        return self._scalar(node, path, line)

    def _object(self, node: MappingNode, path: Path, line: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value in node.value:
            at = max(line, key_node.start_mark.line + 1)
            key = self._text(key_node)
            if key is None:
                self._refuse(path, at, "a key must be text; put it in quotes", "key")
                continue
            below = (*path, key)
            if key in data:
                self._refuse(
                    below, at, f"the key stands twice; first in line {self.lines[below]}", "duplicate-key"
                )
                continue
            # A block begins below its key, where nobody looks for it; an alias' value stands further up.
            own = value.start_mark.line + 1 if isinstance(value, ScalarNode) else at
            data[key] = self.value(value, below, max(at, own))
        return data

    def _scalar(self, node: Node, path: Path, line: int) -> Any:
        if (text := self._text(node)) is not None:
            return text
        if node.tag not in _SCALAR_TAGS or not isinstance(node, ScalarNode):
            message = "cannot be read: half a character, or a tag (`!name`), which is not supported"
            self._refuse(path, line, message, "yaml")
            return None
        try:
            value = self._constructor.construct_object(node)
        except (ValueError, KeyError, YAMLError):
            self._refuse(path, line, "cannot be read as a number or a truth value", "yaml")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(path, line, "must be a finite number", "number")
        return float(value) if isinstance(value, float) else value

    def _text(self, node: Node) -> str | None:
        """A scalar's text; None when it is none, or holds half a character."""
        if not isinstance(node, ScalarNode) or node.tag not in _TEXT_TAGS:
            return None
        try:
            # JSON writes an emoji as two escapes, which YAML takes for two characters.
            return str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            return None

    def _refuse(self, path: Path, line: int, message: str, rule: str) -> None:
        self.problems.append(Problem(dotted(path), message, self._file, line, rule))
