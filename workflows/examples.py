"""Few-shot examples as turns of a conversation."""

from __future__ import annotations

from collections.abc import Iterable

from workflows.messages import Message
from workflows.spec import ExampleSpec


def shown(examples: Iterable[ExampleSpec]) -> tuple[Message, ...]:
    """A user's and an assistant's turn for each example."""
    pairs = ((Message.of("user", e.user), Message.of("assistant", e.assistant)) for e in examples)
    return tuple(message for pair in pairs for message in pair)
