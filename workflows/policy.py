"""Policies as frozen values: how long to wait, how often to try, how much to spend.

They are data with small pure functions; whoever performs them (`actors`) brings the clock.
All durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LEAST_SECONDS = 1.0
"""Seconds below which nothing is begun."""


@dataclass(frozen=True, slots=True)
class Collect:
    """How a panel's answers are collected.

    After `quorum` answers wait `grace` more, then go on without the rest. No branch may take longer than
    `timeout`, nor the whole panel longer than `deadline`.
    """

    quorum: int = 2
    grace: float = 8.0
    timeout: float = 90.0
    deadline: float = 150.0


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is made on one model, and how long to wait in between."""

    attempts: int = 2
    base: float = 0.5
    # Not longer than an unstreamed answer keeps its status open, so that a client can still be told by a 429.
    cap: float = 10.0

    def pause(self, failed: int, draw: float, retry_after: float | None) -> float | None:
        """Seconds to wait after `failed` attempts; None when the provider asks for more than `cap`.

        Full jitter: ``draw`` (in [0, 1)) times the exponential bound, never earlier than `retry_after`.
        """
        if retry_after is not None and retry_after > self.cap:
            return None
        jittered = draw * min(self.cap, self.base * 2.0 ** (failed - 1))
        return max(jittered, retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second copy of a slow branch: started `after` seconds, in at most `max_share` of all branches."""

    after: float
    max_share: float = 0.1


@dataclass(slots=True)
class HedgeAllowance:
    """Bounds hedges over many calls: every call earns `max_share` of a hedge, a hedge costs one.

    Savings are bounded, so that a long quiet time does not pay for a burst of doubled calls.
    """

    saved: float = 1.0
    most: float = 10.0

    def earn(self, hedge: Hedge) -> None:
        """Count one call that may be hedged."""
        self.saved = min(self.most, self.saved + hedge.max_share)

    def spend(self) -> bool:
        """Take one hedge; False when the share is used up."""
        if self.saved < 1.0:
            return False
        self.saved -= 1.0
        return True


@dataclass(frozen=True, slots=True)
class Spending:
    """Tokens (read and written) and US dollars that something takes; the cost is None when a price is unknown."""

    tokens: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: Spending) -> Spending:
        unknown = self.cost_usd is None or other.cost_usd is None
        cost = None if unknown else (self.cost_usd or 0.0) + (other.cost_usd or 0.0)
        return Spending(self.tokens + other.tokens, cost)

    def times(self, number: int) -> Spending:
        """The same, so many times."""
        return Spending(self.tokens * number, None if self.cost_usd is None else self.cost_usd * number)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may still be used; None is no bound.

    Attributes:
        cost_usd: US dollars.
        tokens: read and written together.
        seconds: from now on.
        panels: how many may still be convened.

    """

    cost_usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    panels: int | None = None

    @property
    def counted(self) -> bool:
        """Whether money or tokens are bounded, so that every call must be foreseen."""
        return self.cost_usd is not None or self.tokens is not None

    def lacks(self, wanted: Spending) -> str:
        """What is too little for it: ``cost_usd`` or ``tokens``; empty when it fits.

        An unknown cost never fits a bound on money.
        """
        if self.cost_usd is not None and (wanted.cost_usd is None or wanted.cost_usd > self.cost_usd):
            return "cost_usd"
        return "tokens" if self.tokens is not None and wanted.tokens > self.tokens else ""

    def without(self, used: Spending) -> Allowance:
        """What is left after it, nothing below zero; an unknown cost leaves no money."""
        cost, tokens = self.cost_usd, self.tokens
        if cost is not None:
            cost = 0.0 if used.cost_usd is None else max(0.0, cost - used.cost_usd)
        return replace(self, cost_usd=cost, tokens=None if tokens is None else max(0, tokens - used.tokens))

    def share(self, index: int, number: int) -> Allowance:
        """The part of the one at `index` among so many at once: an equal share, and a place in the queue for panels."""
        return replace(
            self,
            cost_usd=None if self.cost_usd is None else self.cost_usd / number,
            tokens=None if self.tokens is None else self.tokens // number,
            panels=None if self.panels is None else max(0, self.panels - index),
        )
