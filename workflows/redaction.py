"""Events without their contents, for journals that must not hold what people and models said.

What stays: who ran what and when, tokens, costs, times, statuses, errors, the names of models and tools. What
goes: messages, answers, tool arguments and results, tool definitions, and every text in a tool's detail, as it
may quote the conversation. A result that is gone cannot be used again: `workflows.replay.finished_steps` leaves
redacted steps out, so a run that is resumed from such a journal pays for them again.
"""

from __future__ import annotations

from dataclasses import replace

from workflows.events import Event, PanelCredited, RunFinished, RunStarted, StepFinished, StepStarted
from workflows.messages import ChatRequest, Completion, Message, Sampling, Tool, ToolCall, ToolResult


def redacted(event: Event) -> Event:
    """The event without contents. Redacting twice is redacting once."""
    match event:
        case RunStarted():
            return replace(event, request=_request(event.request), door={}, fingerprint="", workflow={})
        case StepStarted():
            return replace(
                event,
                request=_request(event.request) if event.request else None,
                call=_call(event.call) if event.call else None,
            )
        case StepFinished():
            return replace(
                event,
                completion=_completion(event.completion) if event.completion else None,
                result=ToolResult(event.result.call_id, (), event.result.is_error) if event.result else None,
                detail={key: value for key, value in event.detail.items() if _is_number(value)},
                redacted=True,
            )
        case RunFinished():
            return replace(event, answer="", hidden=None)
        case PanelCredited():
            return replace(event, attribution={})
        case _:
            return event


def _request(request: ChatRequest) -> ChatRequest:
    """The parameters of a request and the names of its tools."""
    return ChatRequest(
        messages=(),
        tools=tuple(Tool(tool.name, "", {}, tool.strict) for tool in request.tools),
        tool_choice=request.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls,
        sampling=_sampling(request.sampling),
    )


def _sampling(sampling: Sampling) -> Sampling:
    """Stop words and what the client added by itself are texts of its own."""
    return replace(sampling, stop=(), extra={})


def _completion(completion: Completion) -> Completion:
    """The facts of an answer, and which tools it called."""
    calls = tuple(_call(call) for call in completion.message.tool_calls)
    return replace(completion, message=Message(completion.message.role, calls))


def _call(call: ToolCall) -> ToolCall:
    return replace(call, arguments="")


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)
