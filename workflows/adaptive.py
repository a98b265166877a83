"""Adaptive panels: whether to ask more branches, after the first ones have been heard.

The rule, in this order: when fewer answered usably than the quorum asks for, the others are asked; when a disagreement
is not to count, they are not; when the answers agree less than the workflow's threshold, they are. Agreement is that of
`workflows.agreement`, which sees wording: two answers that say the same in other words disagree, and the others are
asked, which is the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workflows.agreement import Agreement, agreement
from workflows.hearing import Hearing
from workflows.policy import LEAST_SECONDS
from workflows.spec import PanelSpec

Because = Literal["too_few", "enough", "disagreed", "agreed", "no_time"]


@dataclass(frozen=True, slots=True)
class Growth:
    """The decision, why, and the agreement where it was measured."""

    because: Because
    found: Agreement | None = None

    @property
    def wanted(self) -> bool:
        """Whether the others are asked."""
        return self.because in {"too_few", "disagreed"}


def growth(spec: PanelSpec, first: Hearing, *, quorum: int, seconds: float, question: str) -> Growth:
    """Decide after the first round.

    Args:
        spec: how the panel grows.
        first: what became of the branches that were asked.
        quorum: answers that are enough.
        seconds: left until the panel's deadline.
        question: what was asked; its words are no part of an answer's result.

    """
    decided = _decided(spec, first, quorum, question)
    return Growth("no_time", decided.found) if decided.wanted and seconds < LEAST_SECONDS else decided


def _decided(spec: PanelSpec, first: Hearing, quorum: int, question: str) -> Growth:
    if len(first.drafts) < quorum:
        return Growth("too_few")
    if not spec.grow_when_disagree or len(first.drafts) == 1:
        return Growth("enough")
    found = agreement([draft.text for draft in first.drafts], question)
    return Growth("disagreed" if found.score < spec.agreement else "agreed", found)
