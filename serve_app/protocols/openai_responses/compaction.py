"""Conversations made shorter: the request that has a model summarise one, and the summary's way back in.

Agents ask for it by ending their input with a ``compaction_trigger``, or at ``/v1/responses/compact``. One model
answers, never a panel. What comes out is one sealed item that takes the conversation's place.
"""

from __future__ import annotations

from dataclasses import replace

from workflows.messages import ChatRequest, Message, ToolChoice

_TASK = """\
Stop working on the task. Write a handover note for a colleague who continues in your place and sees nothing of \
this conversation but your note. Say, as far as it is known:
- what the user wants, with every constraint, preference and correction, in the user's own words where they matter;
- what has been done and decided, and why; what was tried and failed;
- the state of the work: files, names, commands, values and results that are still needed, exactly as they are;
- what remains to be done, the next step first.
Write the note only: plain text, complete, without addressing anyone."""

_BACK_IN = "The conversation before this point was replaced by this summary of it:\n\n"

_OWN_PROMPTS = ("You are performing a CONTEXT CHECKPOINT COMPACTION",)
"""How agents begin when they ask for a summary by an ordinary request."""


def compaction_request(request: ChatRequest) -> ChatRequest:
    """The same conversation, with the wish for a summary at its end and without tools or demands on the form."""
    return replace(
        request.extended(Message.of("user", _TASK)),
        tools=(),
        tool_choice=ToolChoice(),
        parallel_tool_calls=None,
        response_format=None,
    )


def asks_for_summary(request: ChatRequest) -> bool:
    """Whether an agent asks for a summary in words of its own."""
    return request.last_user_text.lstrip().startswith(_OWN_PROMPTS)


def summary_message(summary: str) -> Message:
    """A summary in the place of what it summarises."""
    return Message.of("user", _BACK_IN + summary)
