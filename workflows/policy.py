"""Policies as frozen values: how long to wait, how often to try, how much to spend.

They are data with small pure functions; whoever performs them (`actors`) brings the clock.
All durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    cap: float = 20.0

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
