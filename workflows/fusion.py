"""The fusion flow: the main LLM answers, and convenes a panel when the task deserves it. Read this file first.

    client's conversation -> main LLM -> mounted tools (panels) -> main LLM -> ... -> answer

A turn that calls tools of the client, too, is the last one: its mounted tools are carried out, then the client is next.
When it comes back, what it does not know of is spliced into its conversation (`workflows.splicing`).

`converse` is the whole logic of a run. It yields steps and is sent their outcomes; it never waits and never
calls anything (`workflows.flow` says how that works, `workflows.panel` what a panel does). The driver is
`actors.conversation`.

A workflow's `limits` bound the whole run. Before each turn it is reckoned what is left: tools get that without what the
answer will need (`workflows.budget`), and are no longer offered when it is used up; the turn itself may write no more
than is left. When not even that is enough for an answer, the run ends: with what was said so far, as ended by its length,
or as a failure that names the limit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from workflows import examples
from workflows.answer import PanelStatus, RunRequest
from workflows.budget import for_tools, remaining, still_offered
from workflows.errors import LimitReached
from workflows.flow import (
    Answered,
    Call,
    Cancelled,
    Failed,
    Flow,
    RunSoFar,
    ToolOutcome,
    ToolUse,
    ask,
    reckon,
    use_tools,
)
from workflows.messages import ChatRequest, Completion, Message, Text, Tool, ToolCall, ToolChoice, Usage
from workflows.pictures import by_reference
from workflows.policy import Allowance
from workflows.spec import ModelToolSpec, ToolSpec, WorkflowSpec
from workflows.splicing import HiddenTurns, spliced
from workflows.tariff import Facts, Tariff
from workflows.thinking import visible

MAIN = "main"
"""Step id of the main LLM's whole conversation; its turns and tools hang below it."""


Done: TypeAlias = tuple[ToolUse, ToolOutcome]
"""A tool that was used, and what came of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a conversation ended well: the last turn, and what became of the panels.

    `turns` is everything that this run added to the main LLM's conversation, when the client is next.
    """

    completion: Completion
    usage: Usage
    panel: PanelStatus
    turns: tuple[Message, ...] = ()


def converse(
    spec: WorkflowSpec,
    run: RunRequest,
    facts: Facts | None = None,
    remembered: Mapping[str, HiddenTurns] | None = None,
) -> Flow[Answer | Failed | Cancelled]:
    """Let the main LLM answer; run the mounted tools that it calls, round by round.

    Args:
        spec: the workflow.
        run: the client's request.
        facts: prices and sizes of the workflow's models, where they are known.
        remembered: what earlier runs in the client's conversation hid from it, by run id.
    """
    said = replace(run.request, messages=spliced(run.request.messages, remembered or {}))
    mounted, known = mounted_tools(spec, run), len(said.messages)
    tariff, done = Tariff(spec.models, facts or {}), list[Done]()
    forced = forced_calls(mounted, run)
    if forced:
        results = yield from _carry_out(spec, tariff, forced, said, done)
        said = said.extended(*_exchange(Message("assistant", forced), results))
    usage: Usage | None = None
    turns: list[Completion] = []
    for turn in range(1, spec.limits.max_tool_rounds + 2):
        left, sent = (yield from _left(spec, done)), opening(spec, said)
        spare = for_tools(left, tariff, spec.main.model, sent)
        offered = still_offered(mounted, spare) if turn <= spec.limits.max_tool_rounds else {}
        request = tariff.held(spec.main.model, _offer(sent, offered, used=bool(done)), left)
        if request is None:
            return _used_up(spec, turns, usage, panel_status(spec, done))
        outcome = yield from ask(_turn(spec, turn, request))
        if not isinstance(outcome, Answered):
            return outcome
        completion = outcome.completion
        turns.append(completion)
        usage = usage or _client_share(completion.usage, run.request, sent)
        theirs, mine = _whose(completion.message, mounted, offered)
        results = (yield from _carry_out(spec, tariff, mine, said, done)) if mine else ()
        said = said.extended(*_exchange(_with_calls(completion.message, (*theirs, *mine)), results))
        if theirs or not mine:
            added = said.messages[known:] if theirs else ()
            return Answer(completion, _client_usage(usage, completion), panel_status(spec, done), added)
    raise AssertionError("the last turn offers no mounted tools, so it ends the loop")


def mounted_tools(spec: WorkflowSpec, run: RunRequest) -> dict[str, ToolSpec]:
    """The tools that this run's main LLM has.

    None when a panel member called us (depth), when the client switched the panel off, or for side requests of
    agents: a demanded JSON schema means a title or a classification, which one model does well enough. Where the
    client has a tool of the same name, the client's counts.
    """
    side_request = run.request.response_format is not None and run.panel is None
    if run.depth > 0 or run.panel == "never" or side_request:
        return {}
    own = {tool.name for tool in run.request.tools}
    return {name: tool for name, tool in spec.mounted.items() if name not in own}


def forced_calls(mounted: dict[str, ToolSpec], run: RunRequest) -> tuple[ToolCall, ...]:
    """The tool calls that happen before the first turn: `trigger: always`, or the client's wish.

    They are made on the last user message, and only when the user spoke last: when an agent brings back the
    results of its own tools, the panel has already been heard on that message. Instructions are nobody's turn;
    Claude Code puts some behind the user's first message.
    """
    task = run.request.last_user_text
    turns = [message.role for message in run.request.messages if message.role not in {"system", "developer"}]
    if not task or turns[-1] != "user":
        return ()
    names = [name for name, tool in mounted.items() if tool.trigger == "always"]
    if run.panel == "always" and not names:
        names = [run.panel_tool] if run.panel_tool in mounted else list(mounted)[:1]
    if run.panel == "auto":
        names = []
    return tuple(
        ToolCall(
            f"forced_{run.run_id.removeprefix('run_')[-24:]}_{number}", name, _arguments(mounted[name], task)
        )
        for number, name in enumerate(names, start=1)
    )


def opening(spec: WorkflowSpec, request: ChatRequest) -> ChatRequest:
    """The client's conversation behind the workflow's own system prompt and examples.

    A system message that the client opened with is joined to ours: many providers take only one.
    """
    messages = request.messages
    own = [spec.main.system] if spec.main.system else []
    if own and messages and messages[0].role in {"system", "developer"}:
        own.append(messages[0].text)
        messages = messages[1:]
    shown = examples.shown(spec.main.examples)
    system = [Message.of("system", "\n\n".join(own))] if own else []
    while shown and messages and messages[0].role in {"system", "developer"}:
        system.append(messages[0])
        messages = messages[1:]
    return replace(request, messages=(*system, *shown, *messages))


def panel_status(spec: WorkflowSpec, done: Sequence[Done]) -> PanelStatus:
    """One word for all panels of a run: the worst that happened, or skipped when there was none."""
    statuses = {outcome.status for use, outcome in done if use.tool in spec.panels}
    order: tuple[PanelStatus, ...] = ("failed", "degraded", "ran")
    return next((status for status in order if status in statuses), "skipped")


def _turn(spec: WorkflowSpec, number: int, request: ChatRequest) -> Call:
    return Call(f"turn.{number}", MAIN, "turn", f"turn {number}", spec.main.model, request)


def _offer(conversation: ChatRequest, mounted: dict[str, ToolSpec], *, used: bool) -> ChatRequest:
    """The conversation with the mounted tools beside the client's own.

    A tool choice that names a mounted tool was the door's business (`RunRequest.panel_tool`); after it has been
    obeyed, or when the tool is not offered, the choice is free. So is one that wants any tool, of a client that has
    none, once a mounted tool was used: else every turn would be a panel.
    """
    own = tuple(Tool(name, tool.description, tool.input_schema) for name, tool in mounted.items())
    choice = conversation.tool_choice
    named_gone = choice.mode == "named" and choice.name not in {tool.name for tool in conversation.tools}
    if named_gone or (used and choice.mode == "required" and not conversation.tools):
        choice = ToolChoice()
    if any(isinstance(tool, ModelToolSpec) and tool.images for tool in mounted.values()):
        conversation = by_reference(conversation)
    return replace(conversation, tools=(*conversation.tools, *own), tool_choice=choice)


def _left(spec: WorkflowSpec, done: Sequence[Done]) -> Flow[Allowance]:
    """What is left of the run's limits; without limits there is nothing to reckon."""
    so_far = (yield from reckon()) if spec.limits.reckoned else RunSoFar()
    panels = sum(use.tool in spec.panels and outcome.status != "skipped" for use, outcome in done)
    return remaining(spec.limits, so_far, panels)


def _carry_out(
    spec: WorkflowSpec, tariff: Tariff, calls: tuple[ToolCall, ...], said: ChatRequest, done: list[Done]
) -> Flow[tuple[ToolOutcome, ...]]:
    """Have mounted tools carry out these calls at once, each with its share of what is left."""
    left = yield from _left(spec, done)
    spare = for_tools(left, tariff, spec.main.model, opening(spec, said))
    uses: list[ToolUse] = []
    for call in calls:
        before = Counter(use.tool for use, outcome in done if outcome.status != "skipped")
        beside = Counter(use.tool for use in uses)
        uses.append(
            ToolUse(
                f"{call.name}.{len(done) + len(uses) + 1}",
                MAIN,
                call.name,
                call,
                said,
                spare.share(sum(beside[name] for name in spec.panels), len(calls)),
                before[call.name] + beside[call.name],
            )
        )
    results = yield from use_tools(tuple(uses))
    done += zip(uses, results, strict=True)
    return results


def _used_up(
    spec: WorkflowSpec, turns: Sequence[Completion], usage: Usage | None, panel: PanelStatus
) -> Answer | Failed:
    """The end of a run that may not use enough for another turn."""
    if usage is not None and any(visible(turn.message.text) for turn in turns):
        ended = replace(turns[-1], finish_reason="length")
        return Answer(ended, _client_usage(usage, ended), panel)
    bounds = {"max_cost_usd": spec.limits.max_cost_usd, "max_tokens": spec.limits.max_tokens}
    told = ", ".join(f"{name} {bound:g}" for name, bound in bounds.items() if bound is not None)
    return Failed(f"turn.{len(turns) + 1}", LimitReached(told).failure(), 0.0)


def _whose(
    message: Message, mounted: Collection[str], offered: Collection[str]
) -> tuple[tuple[ToolCall, ...], tuple[ToolCall, ...]]:
    """The calls that the client carries out, and ours; one of a mounted tool that is not offered is nobody's."""
    theirs = tuple(call for call in message.tool_calls if call.name not in mounted)
    return theirs, tuple(call for call in message.tool_calls if call.name in offered)


def _with_calls(message: Message, calls: Collection[ToolCall]) -> Message:
    """The message with these of its calls: every call that a provider is shown must have a result."""
    kept = (part for part in message.parts if not isinstance(part, ToolCall) or part in calls)
    return replace(message, parts=tuple(kept))


def _exchange(asked: Message, outcomes: tuple[ToolOutcome, ...]) -> tuple[Message, ...]:
    """The assistant's message with the tool calls, and the results, as the main LLM sees them."""
    return (asked, *(Message("tool", (outcome.result,)) for outcome in outcomes))


def _arguments(tool: ToolSpec, task: str) -> str:
    """Arguments for a call that no model wrote: the task in every required text field."""
    properties = tool.input_schema.get("properties", {})
    required = tool.input_schema.get("required", ()) or list(properties)[:1]
    return json.dumps({name: task for name in required if properties.get(name, {}).get("type") == "string"})


def _client_share(usage: Usage, asked: ChatRequest, sent: ChatRequest) -> Usage:
    """The part of the first turn's input that is the client's own conversation.

    Agents fill their context meters with it, so what we added (system prompt, examples, a panel's result) must
    not count. Providers do not say how tokens fall on messages; characters do well enough, and when nothing was
    added the share is exactly one.
    """
    mine, all_of_it = _size(asked), _size(sent)
    share = min(1.0, mine / all_of_it) if all_of_it else 1.0
    return replace(
        usage,
        input_tokens=round(usage.input_tokens * share),
        cached_input_tokens=round(usage.cached_input_tokens * share),
    )


def _client_usage(first: Usage, last: Completion) -> Usage:
    """The client's conversation in, the last turn's answer out."""
    return replace(
        first,
        output_tokens=last.usage.output_tokens,
        reasoning_tokens=last.usage.reasoning_tokens,
        estimated=first.estimated or last.usage.estimated,
    )


def _size(request: ChatRequest) -> int:
    """Characters of a conversation's text and tool traffic."""
    return sum(len(_spoken(part)) for message in request.messages for part in message.parts)


def _spoken(part: object) -> str:
    match part:
        case Text(text):
            return text
        case ToolCall():
            return part.name + part.arguments
        case _:
            return getattr(part, "text", "")
