"""Token counts when the provider gave none: by the rule of `workflows.text`, and always marked as an estimate.

Good to some 30 % on prose and worse on code; the point is that a missing count is neither zero nor passed off as the
provider's. No tokenizer: it would cost 100 MB a process and be wrong for every other model family.
"""

from __future__ import annotations

from workflows.messages import ChatRequest, Message, Reasoning, Tool, Usage
from workflows.tariff import part_tokens
from workflows.text import estimated_tokens

_MEDIA_TOKENS = 800
"""Between a thumbnail and a large photo at the providers' published rules."""


def estimate(request: ChatRequest, answer: Message) -> Usage:
    """Return an estimate of what a call took, marked as one."""
    sent = sum(map(_message_tokens, request.messages)) + sum(map(_tool_tokens, request.tools))
    thought = sum(estimated_tokens(part.text) for part in answer.parts if isinstance(part, Reasoning))
    return Usage(sent, _message_tokens(answer), reasoning_tokens=thought, estimated=True)


def _tool_tokens(tool: Tool) -> int:
    return estimated_tokens(f"{tool.name}{tool.description}{tool.input_schema}")


def _message_tokens(message: Message) -> int:
    return sum(part_tokens(part, _MEDIA_TOKENS) for part in message.parts)
