"""The panel: branches think alone, a synthesis compares them, the main LLM gets the result.

    tool call -> branches (fan-out) -> candidates -> synthesis -> tool result

There is no dead end: a branch that fails costs its answer only; one survivor is passed on and flagged; when none
answered the main LLM is told why and answers alone; when the synthesis cannot be had or understood, the raw
candidates take its place. Whatever was heard is in the outcome's `detail`, for the journal and for people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jsonschema import Draft202012Validator

from workflows.analysis import Analysis, named, schema
from workflows.analysis_parsing import Unparsed, parse, repair_request
from workflows.answer import PanelStatus
from workflows.candidates import Candidates, Draft, evidence, judge, prepare
from workflows.errors import PromptFailed
from workflows.flow import (
    Answered,
    Call,
    Cancelled,
    Collected,
    Failed,
    Flow,
    Outcome,
    ToolOutcome,
    ToolUse,
    ask,
    ask_all,
)
from workflows.messages import ChatRequest, Message, ResponseFormat, Sampling, Text, ToolResult, Usage
from workflows.prompting import render, shipped_prompt
from workflows.spec import BranchSpec, ExampleSpec, FusionToolSpec, WorkflowSpec
from workflows.tool_text import LeftOut, as_tool_text, failed_tool_text, raw_tool_text, single_tool_text
from workflows.variables import branch_values, synthesis_values


def convene(spec: WorkflowSpec, use: ToolUse, seed: int) -> Flow[ToolOutcome]:
    """Carry out one call of a fusion tool. `seed` decides the order in which the synthesis sees the answers."""
    tool = spec.panels[use.tool]
    arguments = read_arguments(use.call.arguments, tool.input_schema)
    if isinstance(arguments, str):
        return _refused(use, arguments)
    values = branch_values(use.tool, tool, arguments, use.conversation)
    panel = _Panel(tool, use, values, seed)
    calls = tuple(panel.branch(branch, index) for index, branch in enumerate(tool.branches))
    collected = yield from ask_all(calls, tool.collect.policy(len(calls)))
    hearing = hear(tool.branches, collected)
    if len(hearing.drafts) < 2:  # noqa: PLR2004  # there is nothing to compare
        return panel.unsynthesised(hearing)
    candidates = prepare(hearing.drafts, seed=seed, cap=tool.synthesis.max_candidate_chars)
    return (yield from panel.synthesise(hearing, candidates))


def read_arguments(text: str, input_schema: dict[str, Any]) -> dict[str, Any] | str:
    """Parse a tool call's arguments; return what is wrong, for the main LLM to mend, when they do not fit."""
    try:
        arguments = json.loads(text or "{}")
    except ValueError as error:
        return f"The arguments are not valid JSON: {error}."
    if not isinstance(arguments, dict):
        return "The arguments must be a JSON object."
    found = Draft202012Validator(input_schema).iter_errors(arguments)
    wrong = [f"{'.'.join(map(str, e.absolute_path)) or 'arguments'}: {e.message}" for e in found]
    return f"The arguments do not fit the tool's schema: {'; '.join(wrong)}." if wrong else arguments


@dataclass(frozen=True, slots=True)
class Hearing:
    """What became of the branches: usable answers, and those who gave none."""

    drafts: tuple[Draft, ...]
    left_out: tuple[LeftOut, ...]
    collected: Collected
    usage: Usage
    cost_usd: float | None


def hear(branches: Sequence[BranchSpec], collected: Collected) -> Hearing:
    """Judge every outcome; an answer without visible text does not count."""
    drafts: list[Draft] = []
    left_out: list[LeftOut] = []
    for branch, outcome in zip(branches, collected.outcomes, strict=True):
        match outcome:
            case Answered(completion=completion):
                verdict = judge(completion)
                if verdict.usable:
                    drafts.append(Draft(branch.name, verdict.text, verdict.kind == "cut"))
                else:
                    left_out.append(LeftOut(branch.name, verdict.kind))
            case Failed(failure=failure):
                left_out.append(LeftOut(branch.name, failure.code))
            case Cancelled(reason=reason):
                left_out.append(LeftOut(branch.name, reason))
    usage, cost = spent(collected.outcomes)
    return Hearing(tuple(drafts), tuple(left_out), collected, usage, cost)


def spent(outcomes: Sequence[Outcome]) -> tuple[Usage, float | None]:
    """Tokens and cost of calls; the cost is None when any of it is unknown."""
    usage, cost = Usage(), 0.0
    known = True
    for outcome in outcomes:
        if isinstance(outcome, Answered):
            usage += outcome.completion.usage
            known = known and outcome.completion.cost_usd is not None
            cost += outcome.completion.cost_usd or 0.0
        else:
            usage += outcome.usage
            known = known and outcome.usage == Usage()
    return usage, cost if known else None


@dataclass(frozen=True, slots=True)
class _Panel:
    """One convening: the tool, the call that convened it, and the values for its prompts."""

    tool: FusionToolSpec
    use: ToolUse
    values: dict[str, Any]
    seed: int

    def branch(self, branch: BranchSpec, index: int) -> Call:
        """The call of one branch."""
        where = f"tools.{self.use.tool}.branches.{index}.prompt"
        task = render(branch.prompt, self.values, where)
        messages = (*_system(branch.system), *_shown(branch.examples), *self._context(branch, task))
        return Call(
            step_id=f"{self.use.step_id}/{branch.name}",
            parent_id=self.use.step_id,
            kind="branch",
            name=branch.name,
            model=branch.model,
            request=ChatRequest(
                messages, sampling=Sampling(temperature=branch.temperature, max_tokens=branch.max_tokens)
            ),
            timeout=branch.timeout or self.tool.collect.timeout,
            resources=tuple((branch.resources or {}).items()),
        )

    def synthesise(self, hearing: Hearing, candidates: Candidates) -> Flow[ToolOutcome]:
        """Have the candidates compared; when that cannot be had, pass them on as they are."""
        attempts: list[Outcome] = []
        try:
            analysis = yield from self._compare(candidates, attempts)
        except PromptFailed as error:
            analysis = Unparsed((str(error),))
        usage, cost = spent(attempts)
        used = replace(hearing, usage=hearing.usage + usage, cost_usd=_sum(hearing.cost_usd, cost))
        shuffle = {"shuffle": candidates.shuffle.to_json()}
        if isinstance(analysis, Unparsed):
            told: dict[str, Any] = {"synthesis": "failed", "problems": list(analysis.problems)}
            return self._outcome(
                raw_tool_text(candidates, hearing.left_out), "degraded", used, told | shuffle
            )
        text = as_tool_text(analysis, candidates, hearing.left_out)
        told = {"synthesis": "ok", "analysis": named(analysis, candidates.shuffle).to_json()}
        return self._outcome(text, "degraded" if hearing.left_out else "ran", used, told | shuffle)

    def _compare(self, candidates: Candidates, attempts: list[Outcome]) -> Flow[Analysis | Unparsed]:
        """Ask the synthesis; when its text cannot be read, ask once more to have it repaired."""
        asked = self._comparison(candidates)
        outcome = yield from ask(self._synthesis("synthesis", asked))
        attempts.append(outcome)
        analysis = _read(outcome, candidates)
        if isinstance(analysis, Unparsed) and isinstance(outcome, Answered):
            repair = repair_request(outcome.completion.message.text, analysis.problems)
            mended = replace(asked, messages=(Message.of("user", repair),))
            attempts.append((yield from ask(self._synthesis("repair", mended))))
            analysis = _read(attempts[-1], candidates)
        return analysis

    def unsynthesised(self, hearing: Hearing) -> ToolOutcome:
        """The outcome with one answer, or with none."""
        if not hearing.drafts:
            return self._outcome(failed_tool_text(hearing.left_out), "failed", hearing, {"synthesis": "none"})
        candidates = prepare(hearing.drafts, seed=self.seed, cap=self.tool.synthesis.max_candidate_chars)
        text = single_tool_text(candidates, hearing.left_out)
        status: PanelStatus = "degraded" if len(self.tool.branches) > 1 else "ran"
        return self._outcome(text, status, hearing, {"synthesis": "single"})

    def _context(self, branch: BranchSpec, task: str) -> tuple[Message, ...]:
        """The branch's task, and what it may see of the conversation."""
        if branch.context == "conversation":
            said = tuple(
                m for m in self.use.conversation.messages if m.role in {"user", "assistant"} and m.text
            )
            return (*(Message(m.role, (Text(m.text),)) for m in said), Message.of("user", task))
        asked = self.use.conversation.last_user_text
        if branch.context == "message" and asked and asked not in task:
            task = f"{task}\n\nThe user's own words, for context:\n\n{asked}"
        return (Message.of("user", task),)

    def _comparison(self, candidates: Candidates) -> ChatRequest:
        spec = self.tool.synthesis
        bare = [{"letter": c.letter, "text": c.text} for c in candidates.items]
        values = synthesis_values(self.values, self.tool, bare, evidence(candidates))
        template = spec.prompt or shipped_prompt("synthesis")
        prompt = render(template, values, f"tools.{self.use.tool}.synthesis.prompt")
        return ChatRequest(
            (*_shown(spec.examples), Message.of("user", prompt)),
            response_format=ResponseFormat(
                "json_schema", "analysis", schema(candidates.letters), strict=True
            ),
            sampling=Sampling(temperature=0.0, max_tokens=spec.max_tokens),
        )

    def _synthesis(self, name: str, request: ChatRequest) -> Call:
        spec, step = self.tool.synthesis, self.use.step_id
        return Call(f"{step}/{name}", step, "synthesis", name, spec.model, request, spec.timeout)

    def _outcome(
        self, text: str, status: PanelStatus, hearing: Hearing, detail: dict[str, Any]
    ) -> ToolOutcome:
        result = ToolResult(self.use.call.id, (Text(text),), is_error=status == "failed")
        told = {
            "ended_by": hearing.collected.ended_by,
            "answered": [draft.name for draft in hearing.drafts],
            "left_out": {branch.name: branch.reason for branch in hearing.left_out},
            "seed": self.seed,
        }
        return ToolOutcome(result, status, hearing.usage, hearing.cost_usd, told | detail)


def _refused(use: ToolUse, problem: str) -> ToolOutcome:
    """A hint that the main LLM can act on; no branch was asked."""
    result = ToolResult(use.call.id, (Text(f"{problem} Correct them and call again."),), is_error=True)
    return ToolOutcome(result, "skipped", detail={"refused": problem})


def _read(outcome: Outcome, candidates: Candidates) -> Analysis | Unparsed:
    match outcome:
        case Answered(completion=completion):
            return parse(completion.message.text, candidates.letters)
        case Failed(failure=failure):
            return Unparsed((failure.message,))
        case Cancelled(reason=reason):
            return Unparsed((f"the synthesis was stopped: {reason}",))


def _system(text: str | None) -> tuple[Message, ...]:
    return (Message.of("system", text),) if text else ()


def _shown(examples: Sequence[ExampleSpec]) -> tuple[Message, ...]:
    pairs = ((Message.of("user", e.user), Message.of("assistant", e.assistant)) for e in examples)
    return tuple(message for pair in pairs for message in pair)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
