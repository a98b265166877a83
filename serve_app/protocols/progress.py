"""Progress of a panel in the wire formats: it is told where a model's thinking is, and marked.

Clients send back what they were told. No model may take our lines for its own thoughts, so each wire format marks
them where its clients keep the mark: in the text for Chat Completions, which has no other place; as the signature of
a thinking block for Messages; as the sealed content of a reasoning item for Responses. What comes back is dropped.
"""

from __future__ import annotations

import re

SEAL = "stellarator-progress"
"""The signature, or sealed content, of progress."""

_MARK = "[stellarator] "
_LINES = re.compile(rf"^{re.escape(_MARK)}.*\n?", re.MULTILINE)


def marked(line: str) -> str:
    """A line among a model's thoughts."""
    return f"{_MARK}{line}\n"


def unmarked(thoughts: str) -> str:
    """The thoughts without our lines."""
    return _LINES.sub("", thoughts)
