"""JSON as language models write it: found in prose, and read in spite of its mistakes.

What is forgiven: fenced blocks and prose around it, comments, trailing and missing commas, single or typographic quotes,
unquoted keys, Python's True, False and None, raw line breaks and unescaped inner quotes in strings, and an end that
is missing. Valid JSON is read as it is, down to 32 levels. This module knows nothing about what the JSON means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_DEEPEST = 32
_BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_BARE = re.compile(r"[^\s,:{}\[\]\"]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_AFTER_STRING = re.compile(r"\s*(?:[,:}\]]|//|/\*|$|\n\s*\")")  # the last: a missing comma
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
_WORDS = {"true": True, "false": False, "null": None, "none": None, "undefined": None}
_MOST_OBJECTS = 40


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield every JSON object that stands in the text, outermost ones only, in order."""
    at = 0
    for _ in range(_MOST_OBJECTS):
        at = text.find("{", at)
        if at < 0:
            return
        value, end = _read(text, at)
        if isinstance(value, dict) and value:
            yield value
        at = max(end, at + 1)


def value(text: str) -> Any:
    """Read a text that is one JSON value, strictly if possible, else leniently; ValueError when it is none."""
    try:
        return _pruned(json.loads(text))
    except (ValueError, RecursionError):
        pass
    stripped = text.strip()
    if stripped[:1] not in {"{", "["}:
        raise ValueError("no JSON object or list")
    return _read(stripped, 0)[0]


def _read(text: str, at: int) -> tuple[Any, int]:
    try:
        read, end = json.JSONDecoder().raw_decode(text, at)
        return _pruned(read), end
    except (ValueError, RecursionError):
        reader = _Reader(text, at)
        return reader.value(), reader.at


def _pruned(value: Any, depth: int = 0) -> Any:
    """The value without what is nested deeper than anybody can follow."""
    if depth >= _DEEPEST:
        return None
    if isinstance(value, dict):
        return {key: _pruned(inner, depth + 1) for key, inner in value.items()}
    return [_pruned(inner, depth + 1) for inner in value] if isinstance(value, list) else value


class _Reader:
    """A recursive-descent reader that never gives up: what it cannot understand it skips."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self._depth = 0

    def value(self) -> Any:
        self._skip_blank()
        here = self._here()
        if here in {"{", "["}:
            if self._depth >= _DEEPEST:
                self.at = len(self.text)
                return None
            self._depth += 1
            read = self._object() if here == "{" else self._list()
            self._depth -= 1
            return read
        return self._string(_QUOTES[here]) if here in _QUOTES else self._bare()

    def _object(self) -> dict[str, Any]:
        self.at += 1
        members: dict[str, Any] = {}
        while self._goes_on("}"):
            before = self.at
            key = self._string(_QUOTES[self._here()]) if self._here() in _QUOTES else str(self._bare())
            self._skip_blank()
            if self._here() in {":", "="}:
                self.at += 1
                members[key] = self.value()
            self._step_from(before)
        return members

    def _list(self) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        while self._goes_on("]"):
            before = self.at
            items.append(self.value())
            self._step_from(before)
        return items

    def _goes_on(self, closing: str) -> bool:
        """Skip to the next member; False after the closing bracket, at another's, or at the end of the text."""
        self._skip_blank()
        while self._here() == ",":
            self.at += 1
            self._skip_blank()
        if self._here() == closing:
            self.at += 1
            return False
        return self._here() not in {"", "}", "]"}

    def _step_from(self, before: int) -> None:
        """Never stand still."""
        if self.at == before:
            self.at += 1

    def _string(self, closing: str) -> str:
        self.at += 1
        start = self.at
        while self.at < len(self.text):
            here = self.text[self.at]
            if here == "\\":
                self.at += 2
                continue
            self.at += 1
            if here == closing and _AFTER_STRING.match(self.text, self.at):
                return _unescaped(self.text[start : self.at - 1])
        return _unescaped(self.text[start:])

    def _bare(self) -> Any:
        """A number, a word such as true, or an unquoted text."""
        found = _BARE.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        word = found[0]
        if _NUMBER.fullmatch(word):
            return float(word) if re.search(r"[.eE]", word) else int(word)
        return _WORDS.get(word.casefold(), word.strip("'"))

    def _skip_blank(self) -> None:
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at

    def _here(self) -> str:
        return self.text[self.at : self.at + 1]


def _unescaped(inner: str) -> str:
    r"""A string's text; raw line breaks and wrong escapes (``\_``) are taken as they stand."""
    quoted = re.sub(r'\\(?!["\\/bfnrtu])', "", re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', inner))
    try:
        read: str = json.loads(f'"{quoted}"', strict=False)
    except ValueError:
        return inner
    return read
