"""A conversation made fit for the embedded model, which is 135M parameters small. Pure.

Its chat template knows system, user and assistant turns of text and nothing else, so tool traffic is told in plain
words. What does not fit into a slot's context is left out where it is missed least.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from workflows.messages import File, Foreign, Image, Message, Role, ToolResult
from workflows.text import estimated_tokens

EXAMPLES_KEPT = 4
"""Messages at the conversation's beginning that are kept longest: two pairs that show the model its task."""

MAX_NOTES_CHARACTERS = 900
_GAP = " ... "
_TURN_TOKENS = 8
"""What the chat template puts around a turn."""

_LETTERS = re.compile(r" \([A-Z](?:, [A-Z])*\)$")  # who said it, which the model would copy
_NOTES = "Notes from a review panel:\n{notes}\n\nWrite the final answer."


def plain(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation as alternating turns of text, with one system message in front.

    A result of a tool that nobody has answered yet ends the user's turn as notes; older ones, the calls and whatever
    is not text are left out.
    """
    answered = max((place for place, message in enumerate(messages) if _answers(message)), default=-1)
    system: list[str] = []
    turns: list[tuple[Role, str]] = []
    for place, message in enumerate(messages):
        role, text = _turn(message, fresh=place > answered)
        if not text:
            continue
        if role == "system":
            system.append(text)
        elif turns and turns[-1][0] == role:
            turns[-1] = (role, f"{turns[-1][1]}\n\n{text}")
        else:
            turns.append((role, text))
    told = tuple(Message.of(role, text) for role, text in turns)
    return (Message.of("system", "\n\n".join(system)), *told) if system else told


def left_out(messages: Sequence[Message]) -> tuple[str, ...]:
    """The kinds of parts that `plain` cannot tell, each once."""
    return tuple(
        dict.fromkeys(
            part.type
            for message in messages
            for part in message.parts
            if isinstance(part, Image | File | Foreign)
        )
    )


def fitted(messages: Sequence[Message], max_tokens: int) -> tuple[Message, ...]:
    """The conversation within `max_tokens`, by estimate.

    First old turns go, oldest first; then the last message is cut in its middle; then the examples go, and at last
    the system message.
    """
    system = [message for message in messages if message.role == "system"]
    *earlier, last = [message for message in messages if message.role != "system"] or [Message.of("user", "")]
    shown, history = earlier[:EXAMPLES_KEPT], earlier[EXAMPLES_KEPT:]
    while history and _tokens((*system, *shown, *history, last)) > max_tokens:
        history = history[2:]  # a question with its answer
    for kept in ([*system, *shown, *history], system, []):
        room = max_tokens - _tokens((*kept, last)) + _tokens((last,)) - _TURN_TOKENS
        if room >= min(_tokens((last,)), max_tokens // 3):
            return (*kept, Message.of(last.role, _cut(last.text, room)))
    return (Message.of(last.role, _cut(last.text, max_tokens - _TURN_TOKENS)),)


def _turn(message: Message, *, fresh: bool) -> tuple[Role, str]:
    """One message's role and text."""
    role: Role = "system" if message.role == "developer" else message.role
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if not results:
        return role, message.text.strip()
    notes = "\n\n".join(filter(None, map(_notes, results)))
    return "user", _NOTES.format(notes=notes) if notes and fresh else ""


def _answers(message: Message) -> bool:
    return message.role == "user" or (message.role == "assistant" and bool(message.text.strip()))


def _notes(result: ToolResult) -> str:
    """The gist of a result: headings, list items, and the line below a heading; without any heading, all of it."""
    lines = [_LETTERS.sub("", line) for line in result.text.splitlines() if line.strip()]
    below = zip(["", *lines], lines, strict=False)
    gist = [line for above, line in below if line.startswith(("#", "- ")) or above.startswith("#")]
    headed = any(line.startswith("#") for line in lines)
    return _shortened("\n".join(gist if headed else lines), MAX_NOTES_CHARACTERS)


def _cut(text: str, max_tokens: int) -> str:
    size = len(text)
    while size and estimated_tokens(_shortened(text, size)) > max_tokens:
        size = size * 9 // 10
    return _shortened(text, size)


def _shortened(text: str, limit: int) -> str:
    """At most `limit` characters; what is too long loses its middle."""
    if len(text) <= limit:
        return text
    head = max(0, limit - len(_GAP)) // 2
    return f"{text[:head]}{_GAP}{text[len(text) - head :]}" if head else text[:limit]


def _tokens(messages: Sequence[Message]) -> int:
    return sum(estimated_tokens(message.text) + _TURN_TOKENS for message in messages)
