"""A single LLM mounted as a tool: `mode: model`. A vision model for a main LLM that reads text, a specialist, a second opinion.

tool call -> the mounted LLM, with the pictures that the call refers to -> tool result
"""

from __future__ import annotations

from typing import Any

from workflows import examples
from workflows.answer import PanelStatus
from workflows.candidates import judge
from workflows.flow import Answered, Call, Cancelled, Failed, Flow, Outcome, ToolOutcome, ToolUse, ask
from workflows.gates import Hint, admit, turned_away, unaffordable
from workflows.hearing import Took, took
from workflows.messages import ChatRequest, Image, Message, Sampling, Text, ToolResult
from workflows.pictures import latest, referred
from workflows.prompting import render
from workflows.spec import ModelToolSpec
from workflows.tariff import Tariff
from workflows.variables import branch_values

IMAGES = "images"
"""The argument in which the main LLM passes references to pictures."""


def consult(tool: ModelToolSpec, use: ToolUse, tariff: Tariff) -> Flow[ToolOutcome]:
    """Carry out one call of a mounted LLM; it may write no more than is left of the run's limits."""
    arguments = admit(tool, use)
    if isinstance(arguments, Hint):
        return turned_away(use, arguments)
    seen = _pictures(tool, use, arguments)
    if isinstance(seen, str):
        return turned_away(use, Hint("images", f"{seen} Correct the arguments and call again."))
    values = branch_values(use.tool, tool, arguments, use.conversation)
    prompt = render(tool.prompt, values, f"tools.{use.tool}.prompt")
    wanted = _request(tool, prompt, seen)
    request = tariff.held(tool.model, wanted, use.allowance)
    if request is None:
        return turned_away(use, unaffordable(tariff.shortage(tool.model, wanted, use.allowance)))
    outcome = yield from ask(_call(tool, use, request))
    return _told(use, outcome, len(seen), took((outcome,), tariff))


def _pictures(tool: ModelToolSpec, use: ToolUse, arguments: dict[str, Any]) -> tuple[Image, ...] | str:
    """The pictures that the call names; without a name those that the user showed last."""
    if not tool.images:
        return ()
    named = arguments.get(IMAGES) or ()
    references = [named] if isinstance(named, str) else [str(name) for name in named]
    return referred(use.conversation, references) if references else latest(use.conversation)


def _request(tool: ModelToolSpec, prompt: str, seen: tuple[Image, ...]) -> ChatRequest:
    system = [Message.of("system", tool.system)] if tool.system else []
    return ChatRequest(
        (*system, *examples.shown(tool.examples), Message("user", (Text(prompt), *seen))),
        sampling=Sampling(temperature=tool.temperature, max_tokens=tool.max_tokens),
    )


def _call(tool: ModelToolSpec, use: ToolUse, request: ChatRequest) -> Call:
    step, left = use.step_id, use.allowance.seconds
    timeout = tool.timeout if left is None else min(tool.timeout, left)
    return Call(f"{step}/{tool.model}", step, "branch", tool.model, tool.model, request, timeout)


def _told(use: ToolUse, outcome: Outcome, pictures: int, spent: Took) -> ToolOutcome:
    match outcome:
        case Answered(completion=completion):
            verdict = judge(completion)
            text = verdict.text if verdict.usable else "The model gave no answer. Answer without it."
            result = ToolResult(use.call.id, (Text(text),), is_error=not verdict.usable)
            status: PanelStatus = "ran" if verdict.usable else "failed"
            detail = {"answered": verdict.kind, "images": pictures}
            return ToolOutcome(result, status, spent.usage, spent.cost_usd, detail)
        case Failed(failure=failure):
            reason = failure.code
        case Cancelled(reason=reason):
            pass
    text = f"The model could not be asked ({reason}). Answer without it."
    result = ToolResult(use.call.id, (Text(text),), is_error=True)
    return ToolOutcome(result, "failed", spent.usage, spent.cost_usd, {"failure": reason, "images": pictures})
