"""Text in pieces: sentences of prose, lists, tables and code, and how many tokens they may be.

This module knows nothing about what the words mean; `workflows.words` does a little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

UNSPACED = "\u0e00-\u0eff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Characters (inside a regex class) of scripts that do not set words apart by spaces: Thai, Lao, kana, Han, Hangul
(which does, but whose particles cling to words)."""

LONGEST_SENTENCE = 600
"""Characters; what is longer is cut at a space, so that text without punctuation costs no more than other text."""

_FENCE = re.compile(r"^\s*(?:```|~~~)")
_LIST_ITEM = re.compile(r"^\s*(?:[-*+•‣◦▪]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+")
_HEADING = re.compile(r"^\s*#{1,6}\s+")
_QUOTE = re.compile(r"^\s*(?:>\s?)+")
_RULE = re.compile(r"^[\s|:=_*-]*$")
_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^)\n]*\)")
_EMPHASIS = re.compile(r"\*{1,3}|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)|~~")
_BREAK = re.compile(
    r"(?:(?<=[.!?\u2026])|(?<=[.!?\u2026][\"')\]\u201d\u2019\u00bb]))\s+(?=[^\sa-z])"
    r"|(?<=[\u3002\uff01\uff1f\uff1b])"  # full-width . ! ? ;
    r"|(?<=;)\s+(?=\S{3}.{40})"
)
_ENDED = ".!?:;\u3002\uff01\uff1f\uff1a"
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|cf|approx|nr|fig|dr|mr|mrs|ms|prof|st|inc|ltd|bzw|ca|usw|z\.\s?b|d\.\s?h|[A-Z]\.[A-Z])\.$"
    r"|\b(?-i:[A-Z][a-z]+\s[A-Z])\.$",  # the middle initial of a name
    re.IGNORECASE,
)
_UNSPACED_CHARACTER = re.compile(f"[{UNSPACED}]")


def sentences(text: str, limit: int = 500) -> tuple[str, ...]:
    """Split a text, at most into `limit` pieces: sentences of prose, list items, table rows, lines of code.

    Markdown's marks are taken off. Of a text with more pieces the rest is left away, which bounds what comes after.
    """
    found: list[str] = []
    for block in _blocks(text):
        for piece in _split(block):
            found += _bounded(piece)
            if len(found) >= limit:
                return tuple(found[:limit])
    return tuple(found)


def estimated_tokens(text: str) -> int:
    """Estimate how many tokens a text is: four ASCII characters, two others, or one of an unspaced script each.

    Errs upwards for English prose with current tokenizers; no bound for hostile text.
    """
    unspaced = len(_UNSPACED_CHARACTER.findall(text))
    ascii_only = len(text.encode("ascii", "ignore"))
    return unspaced + -(-ascii_only // 4) + -(-(len(text) - unspaced - ascii_only) // 2)


def _blocks(text: str) -> Iterator[str]:
    """Lines without their marks; lines that only continue a sentence are joined to it."""
    waiting = ""
    in_code = False
    for line in text.splitlines():
        if _FENCE.match(line):
            in_code = not in_code
            continue
        plain = line.strip() if in_code else _unmarked(line)
        if waiting and not in_code and _continues(waiting, line, plain):
            waiting = f"{waiting} {plain}"
            continue
        if waiting:
            yield waiting
        waiting = plain
    if waiting:
        yield waiting


def _unmarked(line: str) -> str:
    if _RULE.match(line):
        return ""
    line = _LIST_ITEM.sub("", _HEADING.sub("", _QUOTE.sub("", line)))
    line = _EMPHASIS.sub("", _LINK.sub(r"\1", line))
    if line.count("|") > 1:
        line = line.replace("|", " ")
    return line.strip()


def _continues(before: str, line: str, plain: str) -> bool:
    """Whether a hard-wrapped line goes on with the sentence before it."""
    starts_anew = any(mark.match(line) for mark in (_LIST_ITEM, _HEADING, _QUOTE)) or line.count("|") > 1
    return plain[:1].islower() and before[-1:] not in _ENDED and not starts_anew


def _split(block: str) -> Iterator[str]:
    start = 0
    for gap in _BREAK.finditer(block):
        piece = block[start : gap.start()]
        if piece.endswith(".") and _ABBREVIATION.search(piece[-24:]):
            continue
        yield piece.strip()
        start = gap.end()
    yield block[start:].strip()


def _bounded(piece: str) -> Iterator[str]:
    while len(piece) > LONGEST_SENTENCE:
        space = piece.rfind(" ", LONGEST_SENTENCE // 2, LONGEST_SENTENCE)
        end = space if space > 0 else LONGEST_SENTENCE
        yield piece[:end].strip()
        piece = piece[end:].strip()
    if piece:
        yield piece
