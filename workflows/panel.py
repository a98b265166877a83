"""The panel: branches think alone, a synthesis compares them, the main LLM gets the result.

    tool call -> gates -> as many branches as the run can afford -> candidates -> synthesis -> tool result

There is no dead end: a call that is turned away comes back as a hint; a branch that fails costs its answer only; one
survivor is passed on and flagged; when none answered the main LLM is told why and answers alone; when the synthesis
cannot be had or understood, the raw candidates take its place. What was decided on the way, and why, is in the outcome's
`detail` (`workflows.decisions`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workflows import decisions
from workflows.adaptive import Growth, growth
from workflows.agreement import Agreement, agreement
from workflows.analysis import named
from workflows.analysis_parsing import Unparsed
from workflows.answer import PanelStatus
from workflows.branches import Branches
from workflows.budget import Seating, shrink
from workflows.decisions import Decisions
from workflows.flow import Call, Flow, ToolOutcome, ToolUse, ask_all
from workflows.gates import Hint, admit, turned_away, unaffordable
from workflows.hearing import Hearing, hear
from workflows.messages import Text, ToolResult
from workflows.policy import Collect
from workflows.spec import FusionToolSpec, WorkflowSpec
from workflows.synthesis import Merged, Synthesis, Written
from workflows.tariff import Facts, Tariff
from workflows.tool_text import (
    LeftOut,
    as_tool_text,
    failed_tool_text,
    raw_tool_text,
    single_tool_text,
    written_tool_text,
)
from workflows.variables import branch_values

_MERGING = 1 / 3
"""The part of the time that is left which the branches leave to the synthesis, at most."""


def convene(spec: WorkflowSpec, use: ToolUse, seed: int, facts: Facts | None = None) -> Flow[ToolOutcome]:
    """Carry out one call of a fusion tool.

    Args:
        spec: the workflow.
        use: the call, with what it may take of the run's limits.
        seed: decides the order in which the synthesis sees the answers.
        facts: prices and sizes of the workflow's models, where they are known.

    """
    tool, tariff = spec.panels[use.tool], Tariff(spec.models, facts or {})
    arguments = admit(tool, use)
    if isinstance(arguments, Hint):
        return turned_away(use, arguments)
    values = branch_values(use.tool, tool, arguments, use.conversation)
    branches = Branches(tool, use, values, tariff)
    synthesis = Synthesis(tool, use, values, seed, tariff)
    calls = branches.calls()
    seating = shrink(branches.seats(calls), synthesis.worst, use.allowance)
    question = "\n".join(value for value in arguments.values() if isinstance(value, str))
    panel = _Panel(tool, use, seating, synthesis, question)
    if not seating.seats:
        return panel.turned_away()
    asked = {seat.name for seat in seating.seats}
    return (yield from panel.hold(tuple(call for call in calls if call.name in asked)))


@dataclass(frozen=True, slots=True)
class _Heard:
    """All rounds of one panel: what became of the branches, and whether the panel grew."""

    hearing: Hearing
    policy: Collect
    grown: Growth | None = None
    spared: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class _Panel:
    """One convening."""

    tool: FusionToolSpec
    use: ToolUse
    seating: Seating
    synthesis: Synthesis
    question: str

    def hold(self, calls: tuple[Call, ...]) -> Flow[ToolOutcome]:
        """Hear the branches, have their answers merged, and tell the main LLM."""
        heard = yield from self._hear(calls)
        noted = self._noted(heard)
        drafts = heard.hearing.drafts
        if len(drafts) < 2:  # noqa: PLR2004  # there is nothing to compare
            return self._unmerged(heard, noted)
        found = self._agreement(heard)
        if found is not None:
            noted = replace(noted, agreement=decisions.compared(found, noted.answered))
            if self._skips(found):
                return self._agreed(heard, noted, found)
        left = self.use.allowance.seconds
        merged = yield from self.synthesis.merge(
            drafts, self._most(), None if left is None else left - heard.hearing.seconds
        )
        return self._merged(heard, noted, merged)

    def turned_away(self) -> ToolOutcome:
        """The outcome when not even one branch can be afforded."""
        told = self._planned().to_json()
        nobody_priced = set(self.seating.left_out.values()) == {"unpriced"}
        why = {key: told[key] for key in ("left_out", "allowance", "shrunk")}
        return turned_away(self.use, unaffordable(self.seating.short, unpriced=nobody_priced), **why)

    def _hear(self, calls: tuple[Call, ...]) -> Flow[_Heard]:
        """Ask the first branches, and the others when that is not enough."""
        start = self.tool.panel.start if self.tool.panel else len(calls)
        first, others = calls[:start], calls[start:]
        policy = self._policy(len(calls))
        heard = yield from self._round(first, replace(policy, quorum=min(policy.quorum, len(first))))
        if self.tool.panel is None or not others:
            return _Heard(heard, policy)
        seconds = policy.deadline - heard.seconds
        grown = growth(
            self.tool.panel,
            heard,
            quorum=min(policy.quorum, len(first)),
            seconds=seconds,
            question=self.question,
        )
        if not grown.wanted:
            reason = "deadline" if grown.because == "no_time" else "not_needed"
            return _Heard(heard, policy, grown, tuple(LeftOut(call.name, reason) for call in others))
        wanted = max(1, policy.quorum - len(heard.drafts))
        more = yield from self._round(
            others, replace(policy, quorum=min(wanted, len(others)), deadline=seconds)
        )
        return _Heard(heard.then(more), policy, grown)

    def _round(self, calls: tuple[Call, ...], policy: Collect) -> Flow[Hearing]:
        collected = yield from ask_all(calls, policy)
        return hear([call.name for call in calls], collected, self.synthesis.tariff)

    def _policy(self, branches: int) -> Collect:
        """How the branches are collected, within the time that is left for them and the synthesis."""
        policy = self.tool.collect.policy(branches)
        left = self.use.allowance.seconds
        if left is None:
            return policy
        merging = min(self.tool.synthesis.timeout, left * _MERGING)
        return replace(policy, deadline=min(policy.deadline, left - merging))

    def _most(self) -> int | None:
        """Tokens that all answers may have in the synthesis' prompt, when they were foreseen."""
        counted = self.use.allowance.counted
        return sum(seat.answer for seat in self.seating.seats) if counted else None

    def _agreement(self, heard: _Heard) -> Agreement | None:
        """How much the answers agree, where that decides or has decided something."""
        if heard.grown is not None and not heard.grown.wanted and heard.grown.found is not None:
            return heard.grown.found
        if self.tool.synthesis.skip_when_agreement is None:
            return None
        return agreement([draft.text for draft in heard.hearing.drafts], self.question)

    def _skips(self, found: Agreement) -> bool:
        threshold = self.tool.synthesis.skip_when_agreement
        return threshold is not None and found.score >= threshold

    def _unmerged(self, heard: _Heard, noted: Decisions) -> ToolOutcome:
        """The outcome with one answer, or with none."""
        missing = self._missing(heard)
        if not heard.hearing.drafts:
            return self._outcome(
                failed_tool_text(missing), "failed", heard.hearing, replace(noted, synthesis="none")
            )
        text = single_tool_text(self.synthesis.candidates(heard.hearing.drafts), missing)
        status: PanelStatus = "degraded" if len(self.tool.branches) > 1 else "ran"
        return self._outcome(text, status, heard.hearing, replace(noted, synthesis="single"))

    def _agreed(self, heard: _Heard, noted: Decisions, found: Agreement) -> ToolOutcome:
        """The outcome without a synthesis, because the answers agree: the one that stands for all."""
        missing, drafts = self._missing(heard), heard.hearing.drafts
        candidates = self.synthesis.candidates(drafts)
        best = next(c.letter for c in candidates.items if c.name == drafts[found.best].name)
        text = single_tool_text(candidates, missing, agreed=len(drafts), letter=best)
        told = replace(noted, synthesis="agreed", shuffle=candidates.shuffle.to_json())
        return self._outcome(text, "degraded" if missing else "ran", heard.hearing, told)

    def _merged(self, heard: _Heard, noted: Decisions, merged: Merged) -> ToolOutcome:
        """The outcome with a synthesis; when that cannot be had, with the candidates as they are."""
        missing, candidates = self._missing(heard), self.synthesis.candidates(heard.hearing.drafts)
        hearing = heard.hearing.merged_by(merged.outcomes, self.synthesis.tariff)
        noted = replace(
            noted,
            synthesis="ok",
            shuffle=candidates.shuffle.to_json(),
            attempts=decisions.attempted(hearing.tried),
        )
        status: PanelStatus = "degraded" if missing else "ran"
        match merged.result:
            case Unparsed(problems):
                noted = replace(noted, synthesis="failed", problems=problems)
                return self._outcome(raw_tool_text(candidates, missing), "degraded", hearing, noted)
            case Written(text, cut):
                noted = replace(noted, written=text)
                text = written_tool_text(text, candidates, missing, cut=cut)
                return self._outcome(text, status, hearing, noted)
            case analysis:
                noted = replace(noted, analysis=named(analysis, candidates.shuffle).to_json())
                return self._outcome(as_tool_text(analysis, candidates, missing), status, hearing, noted)

    def _missing(self, heard: _Heard) -> tuple[LeftOut, ...]:
        """The branches that the answer lacks; one that was not needed is not missed."""
        short = (LeftOut(name, reason) for name, reason in self.seating.left_out.items())
        late = (branch for branch in heard.spared if branch.reason != "not_needed")
        return (*heard.hearing.left_out, *late, *short)

    def _noted(self, heard: _Heard) -> Decisions:
        hearing, grown = heard.hearing, heard.grown
        spared = {branch.name: branch.reason for branch in heard.spared}
        return replace(
            self._planned(),
            asked=tuple(seat.name for seat in self.seating.seats if seat.name not in spared),
            answered=tuple(draft.name for draft in hearing.drafts),
            left_out={b.name: b.reason for b in hearing.left_out} | spared | self.seating.left_out,
            ended_by=hearing.ended_by,
            collect=decisions.collected_by(heard.policy),
            adaptive=decisions.grew(self.tool.panel.start, grown) if self.tool.panel and grown else None,
            hedged=hearing.hedged,
            attempts=decisions.attempted(hearing.tried),
        )

    def _planned(self) -> Decisions:
        """What was decided before anyone was asked."""
        return Decisions(
            seed=self.synthesis.seed,
            left_out=self.seating.left_out,
            allowance=decisions.allowed(self.use.allowance),
            estimate=decisions.estimated(self.seating.worst),
            shrunk=decisions.shrunk(self.seating) if self.seating.short else None,
        )

    def _outcome(self, text: str, status: PanelStatus, hearing: Hearing, noted: Decisions) -> ToolOutcome:
        result = ToolResult(self.use.call.id, (Text(text),), is_error=status == "failed")
        return ToolOutcome(result, status, hearing.took.usage, hearing.took.cost_usd, noted.to_json())
