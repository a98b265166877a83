"""Before a workflow is published: whether every model of it does what the workflow asks of it.

Each model gets one tiny call of the kind that it will get in earnest: the main LLM must call a tool when it has
some, the synthesis must answer in a JSON Schema when it compares, all others must answer at all. `probes` says what
to ask, `verdict` reads what came of it; whoever makes the calls does so all at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workflows.flow import Answered, Call, Cancelled, Failed, Outcome
from workflows.messages import ChatRequest, Message, ResponseFormat, Sampling, Tool, ToolChoice
from workflows.spec import ModelToolSpec, WorkflowSpec

Demand: TypeAlias = Literal["answer", "tool", "json"]

TIMEOUT_SECONDS = 30.0
"""How long a probe may take; they run at once."""
MOST_TOKENS = 1024
"""Enough for a model that thinks before it says two words."""

TOOL = "stellarator_probe"
"""The tool that a probe wants to be called."""
_STEP = "probe"
_SCHEMA = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Probe:
    """One model, and what the workflow asks of it."""

    alias: str
    demand: Demand
    call: Call


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of a probe.

    Attributes:
        alias: the model's in the workflow.
        model: what answered, as the provider names it, or was asked.
        demand: what it was to do.
        ok: whether it did.
        seconds: that it took.
        message: why it did not, one sentence; empty when it did.
    """

    alias: str
    model: str
    demand: Demand
    ok: bool
    seconds: float
    message: str = ""


def probes(spec: WorkflowSpec) -> tuple[Probe, ...]:
    """One probe for each model and each thing that is asked of it, in the order of the workflow's models."""
    wanted: dict[str, set[Demand]] = {alias: set() for alias in spec.models}
    for alias, demand in _demands(spec):
        for each in _with_fallbacks(spec, alias):
            wanted[each].add(demand)
    return tuple(
        Probe(alias, demand, _call(alias, demand))
        for alias, demands in wanted.items()
        for demand in sorted(demands - {"answer"} or demands)
    )


def verdict(probe: Probe, asked: str, outcome: Outcome) -> ProbeResult:
    """Read what came of it. `asked` is the provider's name of the model."""
    match outcome:
        case Answered(completion=completion):
            message = _shortcoming(probe.demand, completion.message)
            model = completion.model or asked
            return ProbeResult(probe.alias, model, probe.demand, not message, outcome.seconds, message)
        case Failed(failure=failure):
            return ProbeResult(probe.alias, asked, probe.demand, False, outcome.seconds, failure.message)
        case Cancelled():
            late = f"no answer within {TIMEOUT_SECONDS:g} s"
            return ProbeResult(probe.alias, asked, probe.demand, False, outcome.seconds, late)


def complaint(result: ProbeResult) -> str:
    """A failed probe in one sentence."""
    return f"`{result.alias}` ({result.model}): {result.message.rstrip('.')}."


def _demands(spec: WorkflowSpec) -> Iterator[tuple[str, Demand]]:
    calls_tools = any(tool.trigger == "auto" for tool in spec.mounted.values())
    yield spec.main.model, "tool" if calls_tools else "answer"
    for tool in spec.mounted.values():
        if isinstance(tool, ModelToolSpec):
            yield tool.model, "answer"
            continue
        for branch in tool.branches:
            yield branch.model, "answer"
        yield tool.synthesis.model, "json" if tool.synthesis.output == "analysis" else "answer"


def _with_fallbacks(spec: WorkflowSpec, alias: str) -> Iterable[str]:
    """The model and every model that may stand in for it."""
    found, left = dict[str, None](), [alias]
    while left:
        current = left.pop(0)
        if current not in found:
            found[current] = None
            left += spec.models[current].fallbacks
    return found


def _call(alias: str, demand: Demand) -> Call:
    return Call(
        f"{_STEP}/{alias}/{demand}", _STEP, "branch", "probe", alias, _request(demand), TIMEOUT_SECONDS
    )


def _request(demand: Demand) -> ChatRequest:
    few = Sampling(max_tokens=MOST_TOKENS)
    match demand:
        case "answer":
            return ChatRequest(
                (Message.of("user", "Reply with the word OK and nothing else."),), sampling=few
            )
        case "tool":
            return ChatRequest(
                (Message.of("user", "Call the tool once, with ready set to true."),),
                tools=(Tool(TOOL, "Call it to say that you can call tools.", _SCHEMA),),
                tool_choice=ToolChoice("named", TOOL),
                sampling=few,
            )
        case "json":
            return ChatRequest(
                (Message.of("user", 'Reply with the JSON object {"ready": true} and nothing else.'),),
                response_format=ResponseFormat("json_schema", "probe", _SCHEMA, strict=True),
                sampling=few,
            )


def _shortcoming(demand: Demand, message: Message) -> str:
    """What an answer lacks; empty when it is as it should be."""
    if demand == "tool" and not message.tool_calls:
        return "it was told to call a tool and did not; the main LLM of this workflow must be able to"
    if demand == "json" and not _is_json(message.text):
        return "it was told to answer in a JSON Schema and did not; the synthesis of this workflow must be able to"
    if demand == "answer" and not message.parts:
        return "its answer was empty"
    return ""


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text.strip().removeprefix("```json").strip("`\n ")), dict)
    except ValueError:
        return False
