"""Small workflows and outcomes for tests of flows: no Ray, no models, no waiting."""

from __future__ import annotations

from typing import Any

from workflows.answer import RunRequest
from workflows.errors import Failure
from workflows.flow import Answered, Call, Failed
from workflows.messages import ChatRequest, Completion, FinishReason, Message, Part, Text, ToolCall, Usage
from workflows.spec import WorkflowSpec


def workflow(**tool: Any) -> WorkflowSpec:
    """A main LLM with one mounted panel of three; keyword arguments change the tool."""
    branches = [{"name": name, "model": name, "prompt": f"{name}: {{{{ task }}}}"} for name in "abc"]
    fusion: dict[str, Any] = {
        "mode": "fusion",
        "description": "Ask the panel.",
        "branches": branches,
        "synthesis": {"model": "judge"},
    }
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": "fusion-test",
            "models": {name: {"model": f"openai/{name}"} for name in ("main", "a", "b", "c", "judge")},
            "main": {"model": "main", "system": "You are helpful.", "tools": ["review"]},
            "tools": {"review": fusion | tool},
        }
    )


def limited(limits: dict[str, Any], models: dict[str, Any] | None = None, **tool: Any) -> WorkflowSpec:
    """The same workflow with limits; `models` adds to the definition of models, by alias."""
    told = workflow(**tool).model_dump(exclude_defaults=True)
    for alias, fields in (models or {}).items():
        told["models"][alias] |= fields
    return WorkflowSpec.model_validate(told | {"limits": limits})


def priced(usd_per_million: float = 1.0, *aliases: str) -> dict[str, Any]:
    """`models` for `limited`: the same price for reading and writing, for these aliases or all."""
    price = {"price": {"input": usd_per_million, "output": usd_per_million}}
    return dict.fromkeys(aliases or ("main", "a", "b", "c", "judge"), price)


def run_request(text: str = "Is the plan sound?", **fields: Any) -> RunRequest:
    """A client's request of one user message."""
    request = fields.pop("request", ChatRequest((Message.of("user", text),)))
    return RunRequest(
        run_id="run_1", virtual_model="fusion-test", protocol="openai_chat", request=request, **fields
    )


def completion(
    text: str = "", *calls: ToolCall, tokens: tuple[int, int] = (100, 10), finish: FinishReason | None = None
) -> Completion:
    """A model's answer."""
    parts: tuple[Part, ...] = (*((Text(text),) if text else ()), *calls)
    reason: FinishReason = finish or ("tool_calls" if calls else "stop")
    return Completion(Message("assistant", parts), reason, Usage(*tokens), "some-model", 0.01)


def answered(call: Call, text: str = "", *calls: ToolCall, **fields: Any) -> Answered:
    """The outcome of a call that was answered."""
    return Answered(call.step_id, completion(text, *calls, **fields), 1.0, 0.5, call.model)


def failed(call: Call, code: str = "upstream_unavailable") -> Failed:
    """The outcome of a call that failed."""
    return Failed(call.step_id, Failure(code, "it broke"), 1.0, model=call.model)
