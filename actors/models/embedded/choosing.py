"""Which tool, if any: asked as a question with a closed set of answers. Pure.

The embedded model's chat template has no tools, and the server does not enforce a tool choice with it; an enum in a
JSON schema it does enforce.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from workflows.messages import ChatRequest, Message, ResponseFormat, Sampling, Tool

ANSWER = "answer"
"""The choice of no tool."""

_MAX_DESCRIPTION = 160
_MAX_TOKENS = 48
_SYSTEM = "Choose the next step for the user's message. Answer with JSON.\nSteps:\n{steps}"


def callable_tools(request: ChatRequest) -> tuple[Tool, ...]:
    """The tools that may be called now; none once a tool has answered, because this model would call it for ever."""
    if request.tool_choice.mode == "none" or (request.messages and request.messages[-1].role == "tool"):
        return ()
    if request.tool_choice.mode == "named":
        return tuple(tool for tool in request.tools if tool.name == request.tool_choice.name)
    return request.tools


def settled(request: ChatRequest, tools: Sequence[Tool]) -> Tool | None:
    """The tool that must be called when there is nothing to choose."""
    forced = request.tool_choice.mode in {"named", "required"}
    return tools[0] if forced and len(tools) == 1 else None


def question(request: ChatRequest, tools: Sequence[Tool]) -> ChatRequest:
    """The question which of `tools` to call; `answer` is offered unless a call is required."""
    names = [tool.name for tool in tools]
    free = request.tool_choice.mode != "required"
    steps = [f"- {tool.name}: {_short(tool.description)}" for tool in tools]
    steps += [f"- {ANSWER}: reply at once, to a greeting or a simple question."] * free
    shown = [*_example(_short(tools[0].description), names[0])]
    if free:
        shown += [*_example("Hello, how are you?", ANSWER)]
    schema = {
        "type": "object",
        "properties": {"next": {"type": "string", "enum": [*names, *([ANSWER] if free else [])]}},
        "required": ["next"],
        "additionalProperties": False,
    }
    asked = (Message.of("system", _SYSTEM.format(steps="\n".join(steps))), *shown)
    return ChatRequest(
        (*asked, Message.of("user", request.last_user_text)),
        response_format=ResponseFormat("json_schema", "next_step", schema),
        sampling=Sampling(temperature=0.0, max_tokens=_MAX_TOKENS),
    )


def chosen(text: str, request: ChatRequest, tools: Sequence[Tool]) -> Tool | None:
    """The tool that the answer to `question` names; None is an answer at once."""
    try:
        name = json.loads(text)["next"]
    except (ValueError, TypeError, KeyError):
        name = ANSWER
    fallback = tools[0] if request.tool_choice.mode == "required" else None
    return next((tool for tool in tools if tool.name == name), fallback)


def arguments(tool: Tool, text: str) -> str:
    """JSON arguments for a call: the user's own words in every required text, or in the first text if none is."""
    properties = tool.input_schema.get("properties", {})
    texts = [name for name, part in properties.items() if part.get("type") == "string"]
    required = [name for name in tool.input_schema.get("required", ()) if name in texts]
    return json.dumps(dict.fromkeys(required or texts[:1], text), ensure_ascii=False)


def _example(user: str, step: str) -> tuple[Message, Message]:
    return Message.of("user", user), Message.of("assistant", json.dumps({"next": step}))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_DESCRIPTION else f"{line[:_MAX_DESCRIPTION]}..."
