"""What was decided about a panel, and why: the `detail` of a fusion tool's result, in the journal and the API.

`Decisions` documents the keys; they are stable. A key without a value is left out, but for the first five. A call that
was turned away before anyone was asked has `gate` and `hint` instead (`workflows.gates`), and beside them `shrunk`,
`allowance` and `left_out` when money or tokens were too short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from workflows.adaptive import Growth
from workflows.agreement import Agreement
from workflows.budget import Seating
from workflows.flow import Tried
from workflows.policy import Allowance, Collect, Spending

_ALWAYS = ("seed", "asked", "answered", "left_out", "ended_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The keys of a panel's detail. Branches are called by their names; money is in US dollars, time in seconds.

    Attributes:
        seed: of the shuffle of the answers.
        asked: the branches that were asked, in order.
        answered: those with a usable answer.
        left_out: all others, with the reason: a failure's code (``upstream_timeout``), ``empty`` or ``only_thinking``,
            ``straggler`` or ``deadline``; and for those that were not asked ``budget``, ``unpriced``, ``not_needed`` (the
            first ones agreed) or ``deadline`` (no time was left to ask more).
            Every branch of the workflow is in `answered` or here.
        ended_by: what ended the waiting: ``all``, ``quorum`` or ``deadline``.
        collect: the policy that the answers were collected by: {quorum, grace, deadline}, after `max_seconds`.
        allowance: what this call could take of the run's limits: {cost_usd, tokens, seconds}, bounded ones only.
        estimate: what the panel that was asked could take at worst: {cost_usd, tokens}; cost_usd is null when a price
            is unknown. Retries are not foreseen (`workflows.tariff`).
        shrunk: {short, wanted}: branches were left out because ``cost_usd`` or ``tokens`` were short; wanted is the
            worst case of the whole panel: {cost_usd, tokens}.
        adaptive: {start, grown, because}: how many were asked first, whether the others were, and why: ``disagreed``,
            ``too_few`` (answers), or not: ``agreed``, ``enough`` (answers) or ``no_time``.
        agreement: {score, best, contradictions}: of the answers at the end, where it decided something: score 0 to 1,
            the branch that stands for all, and the pairs that contradict each other.
        hedged: branches of which a second copy was started.
        attempts: for each branch that was tried more than once: [{model, ended}], what failed or lost a race.
        synthesis: ``ok``; ``agreed`` (skipped, the answers agree); ``single`` (one answer, nothing to compare);
            ``none`` (no answer); ``failed`` (the raw answers were passed on; `problems` says why).
        shuffle: {seed, order, letters}: which letter was which branch.
        analysis: the synthesis' analysis, with names for letters.
        written: the synthesis' text, when its output is the answer.
        problems: why there is no synthesis.

    """

    seed: int
    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    ended_by: str = "all"
    collect: Mapping[str, float] | None = None
    allowance: Mapping[str, float] | None = None
    estimate: Mapping[str, float | None] | None = None
    shrunk: Mapping[str, Any] | None = None
    adaptive: Mapping[str, Any] | None = None
    agreement: Mapping[str, Any] | None = None
    hedged: tuple[str, ...] = ()
    attempts: Mapping[str, list[dict[str, str]]] | None = None
    synthesis: str = ""
    shuffle: Mapping[str, Any] | None = None
    analysis: Mapping[str, Any] | None = None
    written: str = ""
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The keys that have a value, as plain JSON."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {key: _plain(value) for key, value in told.items() if key in _ALWAYS or value}


def collected_by(policy: Collect) -> dict[str, float]:
    """The value of `collect`."""
    return {"quorum": policy.quorum, "grace": policy.grace, "deadline": policy.deadline}


def allowed(left: Allowance) -> dict[str, float]:
    """The value of `allowance`."""
    bounds = {"cost_usd": left.cost_usd, "tokens": left.tokens, "seconds": left.seconds}
    return {key: bound for key, bound in bounds.items() if bound is not None}


def estimated(worst: Spending) -> dict[str, float | None]:
    """The value of `estimate`."""
    return {"cost_usd": worst.cost_usd, "tokens": worst.tokens}


def shrunk(seating: Seating) -> dict[str, Any]:
    """The value of `shrunk`."""
    return {"short": seating.short, "wanted": estimated(seating.wanted)}


def grew(start: int, grown: Growth) -> dict[str, Any]:
    """The value of `adaptive`."""
    return {"start": start, "grown": grown.wanted, "because": grown.because}


def compared(found: Agreement, names: Sequence[str]) -> dict[str, Any]:
    """The value of `agreement`; `names` are those of the answers."""
    pairs = [[names[i], names[j]] for i, j in found.contradictions]
    return {"score": round(found.score, 4), "best": names[found.best], "contradictions": pairs}


def attempted(tried: tuple[tuple[str, Tried], ...]) -> dict[str, list[dict[str, str]]]:
    """The value of `attempts`."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, attempt in tried:
        found.setdefault(name, []).append({"model": attempt.model, "ended": attempt.ended})
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
