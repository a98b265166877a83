"""So much a minute: a token bucket inside a sliding window.

The bucket fills continuously and holds at most `Rate.burst`, so what is spent in any `t` seconds is at most the burst
and `t / 60` of the limit: providers that count by the second see no flood. The window keeps what was spent in the last
60 s, so that no minute, wherever it begins, has more than the limit: a bucket alone would let a burst come on top of it.
Something larger than the bucket passes when the bucket is full and leaves it in debt, so nothing waits for good.

The clock is the caller's: `now` is seconds on any clock that does not go back.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

MINUTE = 60.0

BURST_SHARE = 0.25
"""Of a minute's limit, that may be spent at once."""

_NEARLY = 1e-9
"""Less than this is rounding."""


@dataclass(slots=True)
class Spent:
    """So much, at that time."""

    at: float
    amount: float


class Rate:
    """Units a minute; a limit of infinity is none.

    Args:
        limit: units in any 60 s.
        now: the time.
        least: units that may be spent at once, however small the limit's share is; never more than the limit.
        empty: nothing may be spent yet: nobody knows what was spent before.
    """

    def __init__(self, limit: float, now: float, *, least: float = 1.0, empty: bool = False) -> None:
        self._limit = limit
        self._least = least
        self._level = 0.0 if empty else self.burst
        self._at = now
        self._window: deque[Spent] = deque()
        self._used = 0.0

    @property
    def burst(self) -> float:
        """The most that can be spent at once."""
        return max(self._limit * BURST_SHARE, min(self._limit, self._least))

    def relimit(self, limit: float) -> None:
        """Go on with another limit; what was spent stays spent."""
        if limit == self._limit:
            return
        self._limit = limit
        self._level = self.burst if math.isinf(limit) else min(self._level, self.burst)

    def refill(self, now: float, pace: float = 1.0) -> None:
        """Let time pass. `pace` is the share of its speed at which the bucket fills."""
        if not math.isinf(self._limit):
            gained = (now - self._at) * pace * self._limit / MINUTE
            self._level = min(self.burst, self._level + gained)
        self._at = now
        while self._window and self._window[0].at <= now - MINUTE:
            self._used -= self._window.popleft().amount

    def wait(self, amount: float, ahead: float = 0.0, pace: float = 1.0) -> float:
        """Seconds until `amount` may be spent, behind others who spend `ahead`; 0: now. Call `refill` first."""
        if math.isinf(self._limit):
            return 0.0
        lacking = ahead + min(amount, self.burst) - self._level
        excess = self._used + ahead + min(amount, self._limit) - self._limit
        filling = lacking * MINUTE / (self._limit * pace) if lacking > _NEARLY else 0.0
        return max(filling, self._leaving(excess) if excess > _NEARLY else 0.0)

    def spend(self, amount: float) -> Spent:
        """Spend it now, allowed or not."""
        self._level -= amount
        self._used += amount
        spent = Spent(self._at, amount)
        self._window.append(spent)
        return spent

    def correct(self, spent: Spent, amount: float) -> None:
        """It was `amount` in truth: what was too much is given back, what was too little is spent now."""
        excess = spent.amount - amount
        if excess < 0:
            self.spend(-excess)
            return
        self._level = min(self.burst, self._level + excess)
        if spent.at > self._at - MINUTE:
            self._used -= excess
        spent.amount = amount

    def _leaving(self, excess: float) -> float:
        """Seconds until so much has left the window; what is not in it yet follows at the limit's speed."""
        for spent in self._window:
            excess -= spent.amount
            if excess <= _NEARLY:
                return spent.at + MINUTE - self._at
        return MINUTE + excess * MINUTE / self._limit
