"""What became of the branches: who answered something usable, who did not and why, and what it took.

Nothing is lost: every branch that was asked is either in `drafts` or in `left_out`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from workflows.candidates import Draft, judge
from workflows.flow import Answered, Cancelled, Collected, EndedBy, Failed, Outcome, Tried
from workflows.messages import Usage
from workflows.tariff import Tariff
from workflows.tool_text import LeftOut


@dataclass(frozen=True, slots=True)
class Took:
    """Tokens and US dollars of calls; the cost is None when any of it is unknown."""

    usage: Usage = Usage()
    cost_usd: float | None = 0.0

    def __add__(self, other: Took) -> Took:
        unknown = self.cost_usd is None or other.cost_usd is None
        cost = None if unknown else (self.cost_usd or 0.0) + (other.cost_usd or 0.0)
        return Took(self.usage + other.usage, cost)


def took(outcomes: Iterable[Outcome], tariff: Tariff) -> Took:
    """What calls took, with all their attempts.

    What providers did not report is estimated (`Usage.estimated`) and priced as if they had.
    """
    return sum((each for outcome in outcomes for each in _parts(outcome, tariff)), Took())


@dataclass(frozen=True, slots=True)
class Hearing:
    """The branches that were asked, in one round or two.

    Attributes:
        drafts: usable answers, in the order of the branches.
        left_out: who gave none, with the reason.
        took: all their calls together.
        seconds: how long the rounds took together.
        ended_by: what ended the waiting in the last round.
        tried: attempts that were not the last, by branch (or ``synthesis``, ``repair``).

    """

    drafts: tuple[Draft, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    took: Took = Took()
    seconds: float = 0.0
    ended_by: EndedBy = "all"
    tried: tuple[tuple[str, Tried], ...] = ()

    @property
    def hedged(self) -> tuple[str, ...]:
        """Branches of which a second copy was started."""
        return tuple(dict.fromkeys(name for name, attempt in self.tried if attempt.hedged))

    def then(self, later: Hearing) -> Hearing:
        """This round and the one after it."""
        return Hearing(
            self.drafts + later.drafts,
            self.left_out + later.left_out,
            self.took + later.took,
            self.seconds + later.seconds,
            later.ended_by,
            self.tried + later.tried,
        )

    def merged_by(self, outcomes: Sequence[Outcome], tariff: Tariff) -> Hearing:
        """The same, with the calls of the synthesis counted."""
        tried = ((outcome.step_id.rpartition("/")[2], t) for outcome in outcomes for t in outcome.tried)
        return replace(self, took=self.took + took(outcomes, tariff), tried=(*self.tried, *tried))


def hear(names: Sequence[str], collected: Collected, tariff: Tariff) -> Hearing:
    """Judge every outcome; an answer without visible text does not count."""
    drafts: list[Draft] = []
    left_out: list[LeftOut] = []
    for name, outcome in zip(names, collected.outcomes, strict=True):
        heard = _judged(name, outcome)
        if isinstance(heard, Draft):
            drafts.append(heard)
        else:
            left_out.append(heard)
    return Hearing(
        tuple(drafts),
        tuple(left_out),
        took(collected.outcomes, tariff),
        max((outcome.seconds for outcome in collected.outcomes), default=0.0),
        collected.ended_by,
        tuple((name, t) for name, o in zip(names, collected.outcomes, strict=True) for t in o.tried),
    )


def _judged(name: str, outcome: Outcome) -> Draft | LeftOut:
    match outcome:
        case Answered(completion=completion):
            verdict = judge(completion)
            if verdict.usable:
                return Draft(name, verdict.text, verdict.kind == "cut")
            return LeftOut(name, verdict.kind)
        case Failed(failure=failure):
            return LeftOut(name, failure.code)
        case Cancelled(reason=reason):
            return LeftOut(name, reason)


def _parts(outcome: Outcome, tariff: Tariff) -> Iterable[Took]:
    """The call's last attempt, and those before and beside it."""
    if isinstance(outcome, Answered):
        usage, cost = outcome.completion.usage, outcome.completion.cost_usd
        yield Took(usage, tariff.cost(outcome.model, usage) if cost is None else cost)
    else:
        yield Took(outcome.usage, tariff.cost(outcome.model, outcome.usage))
    for attempt in outcome.tried:
        yield Took(attempt.usage, tariff.cost(attempt.model, attempt.usage))
