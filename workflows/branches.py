"""The branches of one panel: what each is asked, and what that may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows import examples
from workflows.budget import Seat
from workflows.flow import Call, ToolUse
from workflows.messages import ChatRequest, Message, Sampling, Text
from workflows.prompting import render
from workflows.spec import BranchSpec, FusionToolSpec
from workflows.tariff import Tariff, prompt_tokens

_COPIES = 2
"""A hedged branch may be paid for twice."""


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of one convening.

    Attributes:
        tool: the mounted tool.
        use: the call that convened the panel.
        values: for the prompts.
        tariff: what the models may write, and what that costs.

    """

    tool: FusionToolSpec
    use: ToolUse
    values: Mapping[str, Any]
    tariff: Tariff

    def calls(self) -> tuple[Call, ...]:
        """One for each branch, in order; raises `PromptFailed`."""
        return tuple(self._call(branch, index) for index, branch in enumerate(self.tool.branches))

    def seats(self, calls: tuple[Call, ...]) -> tuple[Seat, ...]:
        """The same calls as the budget sees them."""
        return tuple(map(self._seat, self.tool.branches, calls))

    def _call(self, branch: BranchSpec, index: int) -> Call:
        where = f"tools.{self.use.tool}.branches.{index}.prompt"
        task = render(branch.prompt, self.values, where)
        system = (Message.of("system", branch.system),) if branch.system else ()
        messages = (*system, *examples.shown(branch.examples), *self._context(branch, task))
        # A bound on money or tokens is kept only by calls that say how much they may write.
        most = self._output(branch) if self.use.allowance.counted else branch.max_tokens
        return Call(
            step_id=f"{self.use.step_id}/{branch.name}",
            parent_id=self.use.step_id,
            kind="branch",
            name=branch.name,
            model=branch.model,
            request=ChatRequest(messages, sampling=Sampling(temperature=branch.temperature, max_tokens=most)),
            timeout=branch.timeout or self.tool.collect.timeout,
            resources=tuple((branch.resources or {}).items()),
        )

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

    def _seat(self, branch: BranchSpec, call: Call) -> Seat:
        output = self._output(branch)
        takes = self.tariff.worst(branch.model, prompt_tokens(call.request), output)
        shown = min(output, self.tool.synthesis.max_candidate_chars)
        return Seat(branch.name, branch.optional, takes.times(_COPIES if self.tool.hedge else 1), shown)

    def _output(self, branch: BranchSpec) -> int:
        return self.tariff.output(branch.model, branch.max_tokens)
