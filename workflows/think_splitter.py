"""A model's text split into what is said and what is thought, while it streams: `workflows.thinking` for streams.

It knows the same marks. What comes out is what `visible` would leave of the whole text, up to blank space, where the
whole text is not needed to know it; a stream cannot take back what it said, so four things differ:

- a tag within a line that has text before it is text about tags, because one that nothing closes would take the rest
  of the answer with it;
- before a closing mark that was never opened, what was said stays said (the mark itself goes);
- code that is never closed counts as code all the same, so marks in it stay;
- gpt-oss without its special tokens is known only by ``analysis`` right before a capital letter.

Ordinary text is passed on at once. Held back is only the end of a piece that may be the beginning of a mark, at most
`LOOKAHEAD` characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from workflows.messages import ReasoningDelta, TextDelta
from workflows.thinking import CLOSE, FLAGS, NAMES, OPEN

LOOKAHEAD = 160

_Mode = Literal["start", "speaking", "code", "thinking", "between", "header"]

_HARMONY = r"<\|(?:end|return|call|start)\|>"
_MARK = re.compile(
    rf"(?P<fence>^(?:```+|~~~+))|(?P<tick>`+)|(?P<open>{OPEN})|(?P<close>{CLOSE})|(?P<channel><\|channel\|>)"
    rf"|(?P<between>{_HARMONY})|(?P<wrapping><\|(?:begin|end)_of_solution\|>|<\|(?:start|end)_response\|>)",
    FLAGS,
)
_FINAL = "assistantfinal"
_BARE, _BARE_END = re.compile(r"\s*analysis(?=[A-Z])"), re.compile(_FINAL)
_CLOSING = re.compile(CLOSE, FLAGS)
_MESSAGE_END = re.compile(rf"{_HARMONY}|(?=<\|channel\|>)")
_CHANNEL = re.compile(r"<\|channel\|>")
_HEADER = re.compile(r"\s*(?P<name>\w*).*?<\|message\|>", re.DOTALL)
_TOKENS = [
    "[think]",
    "[/think]",
    "◁think▷",
    "◁/think▷",
    "<|start_thinking|>",
    "<|end_thinking|>",
    "<|begin_of_thought|>",
    "<|end_of_thought|>",
    "<|open|>think<|sep|>",
    "<|close|>think<|sep|>",
    "<|channel>thought",
    "<|channel>analysis",
    "<channel|>",
    "<|channel|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|start|>",
    "<|begin_of_solution|>",
    "<|end_of_solution|>",
    "<|start_response|>",
    "<|end_response|>",
]
_BEGUN = re.compile(
    rf"</?(?:[\w-]+:)?\w*|<(?:[\w-]+:)?{NAMES}\s[^<>]*|</(?:[\w-]+:)?{NAMES}\s*", re.IGNORECASE
)
"""A tag that is not whole yet."""
_FIRST_OF_MARKS = "<[◁`~"
_FIRST = re.compile(f"[{re.escape(_FIRST_OF_MARKS)}]")


class ThinkSplitter:
    """Splits one turn's text; a mark may be cut anywhere."""

    def __init__(self) -> None:
        self._mode: _Mode = "start"
        self._held = ""
        self._before = "\n"
        """The last character that was looked at: marks of code want the beginning of a line."""
        self._until = _CLOSING
        self._is_mid_line = False
        """Whether there are words before this place in its line."""
        self._blank = ""
        self._has_said = False
        self._told_tags = False
        self._is_fresh = False

    def feed(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield what can be told for sure."""
        if (
            self._has_said
            and self._mode == "speaking"
            and not (self._held or self._is_fresh or _FIRST.search(text))
        ):
            # What nearly every token is, at a third of the price.
            self._before = text[-1:] or self._before
            self._note_line(text)
            yield TextDelta(text)
            return
        self._held += text
        yield from self._go_on(is_end=False)

    def end(self) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield what was held back; thinking that never closed stays thinking."""
        yield from self._go_on(is_end=True)
        if self._blank and not self._has_said:
            yield TextDelta(self._blank)

    def _go_on(self, *, is_end: bool) -> Iterator[TextDelta | ReasoningDelta]:
        left = -1
        while self._held and left != len(self._held):
            left, mode = len(self._held), self._mode
            match mode:
                case "start":
                    self._begin(is_end=is_end)
                case "speaking":
                    yield from self._speak(is_end=is_end)
                case "code":
                    yield from self._quote(is_end=is_end)
                case "thinking":
                    yield from self._think(is_end=is_end)
                case "between" | "header":
                    self._skip()
            if mode != self._mode:
                left = -1

    def _begin(self, *, is_end: bool) -> None:
        begun = self._held.lstrip()
        if bare := _BARE.match(self._held):
            self._enter("thinking", bare.end(), _BARE_END)
        elif is_end or not ("analysis".startswith(begun) or begun == "analysis"):
            self._mode = "speaking"

    def _speak(self, *, is_end: bool) -> Iterator[TextDelta]:
        mark = _MARK.search(self._before + self._held, len(self._before))
        if mark is None:
            keep = 0 if is_end else _unsure(self._held)
            yield from self._say(self._take(len(self._held) - keep))
            return
        start, end = mark.start() - len(self._before), mark.end() - len(self._before)
        kind, text = mark.lastgroup, mark[0]
        yield from self._say(self._take(start))
        if kind in {"open", "close"} and self._is_about_tags(text, is_open=kind == "open"):
            yield from self._say(self._take(len(text)))
            return
        if kind in {"fence", "tick"}:
            if end - start < len(self._held) or is_end:  # else the mark may still grow
                closer = rf"^{text}[`~]*" if kind == "fence" else rf"(?<!`){text}(?!`)|\n"
                yield from self._say(self._take(len(text)))
                self._enter("code", 0, re.compile(closer, re.MULTILINE))
            return
        self._take(len(text))
        if kind == "open":
            self._enter("thinking", 0, _CLOSING)
        elif kind == "channel":
            self._enter("header", 0, _HEADER)
        elif kind == "between":
            self._enter("between", 0, _CHANNEL)

    def _is_about_tags(self, mark: str, *, is_open: bool) -> bool:
        """Whether a tag is part of a sentence; its closing one is then, too."""
        is_tag = mark[0] == "[" or (mark[0] == "<" and mark[1] != "|")
        if is_tag and is_open:
            self._told_tags = self._is_mid_line
        return is_tag and self._told_tags

    def _quote(self, *, is_end: bool) -> Iterator[TextDelta]:
        """Code goes out as it is, up to and with its end."""
        closer = self._until.search(self._before + self._held, len(self._before))
        if closer is None:
            keep = 0 if is_end else len(self._held) - len(self._held.rstrip("`~"))
            yield from self._say(self._take(len(self._held) - keep))
            return
        length = closer.end() - len(self._before)
        if length < len(self._held) or is_end:
            yield from self._say(self._take(length))
            self._mode = "speaking"

    def _think(self, *, is_end: bool) -> Iterator[ReasoningDelta]:
        closing = self._until.search(self._held)
        if closing is not None:
            thought = self._take(closing.start())
            self._take(len(closing[0]))
            self._is_fresh = True
            if self._until is _MESSAGE_END:
                self._enter("between", 0, _CHANNEL)
            else:
                self._mode = "speaking"
        else:
            unsure = _overlap(self._held, _FINAL) if self._until is _BARE_END else _unsure(self._held)
            thought = self._take(len(self._held) - (0 if is_end else unsure))
        if thought:
            yield ReasoningDelta(thought)

    def _skip(self) -> None:
        """What stands around messages of the harmony format is for nobody."""
        if self._mode == "between":
            found = _CHANNEL.search(self._held)
            self._held = self._held[found.end() :] if found else self._held[-len("<|channel|>") :]
            self._mode = "header" if found else "between"
        elif header := _HEADER.match(self._held):
            is_final = header["name"] == "final"
            self._is_fresh = True
            self._enter("speaking" if is_final else "thinking", header.end(), _MESSAGE_END)

    def _enter(self, mode: _Mode, position: int, until: re.Pattern[str]) -> None:
        self._take(position)
        self._mode, self._until = mode, until
        if mode in {"thinking", "header"}:
            self._blank = ""

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        self._before = taken[-1:] or self._before
        return taken

    def _say(self, text: str) -> Iterator[TextDelta]:
        """Blank space before the first word waits for it, and goes when thinking comes instead."""
        if self._is_fresh:
            text = text.lstrip("\n")
            self._is_fresh = not text
        if not self._has_said:
            self._blank += text
            if not self._blank.strip():
                return
            text, self._blank, self._has_said = self._blank, "", True
        if text:
            self._note_line(text)
            yield TextDelta(text)

    def _note_line(self, text: str) -> None:
        _, line_end, behind = text.rpartition("\n")
        self._is_mid_line = bool(behind.strip()) or (self._is_mid_line and not line_end)


def _unsure(text: str) -> int:
    """Length of the end of `text` that may be the beginning of a mark."""
    tail = text[-LOOKAHEAD:]
    places = (index for index, character in enumerate(tail) if character in _FIRST_OF_MARKS)
    return next((len(tail) - index for index in places if _may_be_mark(tail[index:])), 0)


def _may_be_mark(text: str) -> bool:
    lowered = text.lower()
    return (
        any(token.startswith(lowered) for token in _TOKENS)
        or _BEGUN.fullmatch(text) is not None
        or not lowered.strip("`")
        or not lowered.strip("~")
    )


def _overlap(text: str, token: str) -> int:
    """Length of the longest end of `text` that may become `token`."""
    return next((n for n in range(min(len(text), len(token) - 1), 0, -1) if token.startswith(text[-n:])), 0)
