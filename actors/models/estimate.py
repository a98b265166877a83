"""Token counts when the provider gave none: characters over four, and always marked as an estimate.

Good to some 30 % on prose and worse on code; the point is that a missing count is neither zero nor passed off as
the provider's. No tokenizer: it would cost 100 MB a process and be wrong for every other model family.
"""

from __future__ import annotations

from workflows.messages import ChatRequest, Completion, Message, Reasoning, Text, ToolCall, ToolResult, Usage

CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_IMAGE = 800
"""Between a thumbnail and a large photo at the providers' published rules."""


def tokens(characters: int) -> int:
    """Return the tokens of so many characters, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def estimate(request: ChatRequest, answer: Message) -> Usage:
    """Return an estimate of what a call took, marked as one."""
    tools = sum(
        len(tool.name) + len(tool.description) + len(str(tool.input_schema)) for tool in request.tools
    )
    sent = tools // CHARACTERS_PER_TOKEN + sum(message_tokens(message) for message in request.messages)
    thought = tokens(sum(len(part.text) for part in answer.parts if isinstance(part, Reasoning)))
    return Usage(sent, message_tokens(answer), reasoning_tokens=thought, estimated=True)


def message_tokens(message: Message) -> int:
    """Return an estimate of one message's tokens."""
    return sum(_part_tokens(part) for part in message.parts)


def with_estimate(completion: Completion, request: ChatRequest) -> Usage:
    """Return the completion's own usage, or an estimate when the provider gave none."""
    return completion.usage if completion.usage != Usage() else estimate(request, completion.message)


def _part_tokens(part: object) -> int:
    match part:
        case Text(text) | Reasoning(text):
            return tokens(len(text))
        case ToolCall():
            return tokens(len(part.name) + len(part.arguments))
        case ToolResult():
            return sum(_part_tokens(inner) for inner in part.content)
        case _:
            return _TOKENS_PER_IMAGE
