"""What a run may still use, and how a panel shrinks to it.

The order in which branches leave a panel that is too dear: first those without a price, when money is bounded; then
the optional ones, the dearest first; then the required ones, the dearest first; of equals the later one. A panel of one
needs no synthesis, and a panel of none is not convened. What remains keeps its order.

Before a tool is given anything, something is kept back for the main LLM's answer: reading the conversation and the
tool's result, and `ANSWER_TOKENS` to write. Tools that are called at once get equal shares of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workflows.flow import RunSoFar
from workflows.messages import ChatRequest
from workflows.policy import LEAST_SECONDS, Allowance, Spending
from workflows.spec import FusionToolSpec, LimitsSpec, ToolSpec
from workflows.tariff import Tariff, prompt_tokens

ANSWER_TOKENS = 2_000
"""Tokens that are kept back for writing the answer."""

RESULT_TOKENS = 4_000
"""Tokens that are kept back for reading a tool's result."""


def remaining(limits: LimitsSpec, so_far: RunSoFar, panels: int) -> Allowance:
    """What is left of a run's limits, after so many panels."""
    left = Allowance(
        limits.max_cost_usd,
        limits.max_tokens,
        None if limits.max_seconds is None else max(0.0, limits.max_seconds - so_far.seconds),
        None if limits.max_panels_per_run is None else max(0, limits.max_panels_per_run - panels),
    )
    return left.without(so_far.spent)


def for_tools(left: Allowance, tariff: Tariff, main: str, conversation: ChatRequest) -> Allowance:
    """What tools may take of what is left, when the alias `main` still has to answer."""
    if not left.counted:
        return left
    return left.without(tariff.worst(main, prompt_tokens(conversation) + RESULT_TOKENS, ANSWER_TOKENS))


def still_offered(tools: Mapping[str, ToolSpec], left: Allowance) -> dict[str, ToolSpec]:
    """The tools that the main LLM may still call: none when anything is used up, no panel when panels are."""
    late = left.seconds is not None and left.seconds < LEAST_SECONDS
    if late or left.cost_usd == 0 or left.tokens == 0:
        return {}
    return {name: t for name, t in tools.items() if left.panels != 0 or not isinstance(t, FusionToolSpec)}


@dataclass(frozen=True, slots=True)
class Seat:
    """One branch as the budget sees it.

    Attributes:
        name: the branch's.
        optional: whether it leaves before the others.
        takes: its call, at worst.
        answer: tokens that its answer may have in the synthesis' prompt.

    """

    name: str
    optional: bool
    takes: Spending
    answer: int


@dataclass(frozen=True, slots=True)
class Seating:
    """Who is asked.

    Attributes:
        seats: in the order of the workflow.
        left_out: why the others are not: ``unpriced`` or ``budget``, by name.
        worst: what the panel with its synthesis may take.
        wanted: what the whole panel would have taken.
        short: what was too little for that: ``cost_usd``, ``tokens``, or empty.

    """

    seats: tuple[Seat, ...]
    left_out: dict[str, str]
    worst: Spending
    wanted: Spending
    short: str = ""


Merging = Callable[[Sequence[Seat]], Spending]
"""What the synthesis of these branches' answers may take."""


def shrink(seats: Sequence[Seat], merging: Merging, left: Allowance) -> Seating:
    """Seat as many branches as fit into what is left."""
    wanted = together(seats, merging)
    short = left.lacks(wanted)
    unpriced = [seat for seat in seats if seat.takes.cost_usd is None and left.cost_usd is not None]
    out = {seat.name: "unpriced" for seat in unpriced}
    kept = [seat for seat in seats if seat not in unpriced]
    worst = together(kept, merging) if unpriced else wanted
    for seat in _leaving(kept, short):
        if not left.lacks(worst):
            break
        kept.remove(seat)
        out[seat.name] = "budget"
        worst = together(kept, merging)
    return Seating(tuple(kept), out, worst, wanted, short)


def together(seats: Sequence[Seat], merging: Merging) -> Spending:
    """What these branches and the synthesis of their answers may take."""
    branches = sum((seat.takes for seat in seats), Spending())
    return branches + merging(seats) if len(seats) > 1 else branches


def _leaving(seats: Sequence[Seat], short: str) -> list[Seat]:
    """Seats in the order in which they leave when this is short."""

    def last(place: int) -> tuple[bool, float, int]:
        takes = seats[place].takes
        return seats[place].optional, takes.tokens if short == "tokens" else takes.cost_usd or 0.0, place

    return [seats[place] for place in sorted(range(len(seats)), key=last, reverse=True)]
