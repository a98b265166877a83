"""How much a benchmark does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """`rounds` repetitions of each measurement; `scale` is what is done of the full number of requests."""

    rounds: int
    scale: float

    def of(self, full: int, least: int = 1) -> int:
        """How many of `full` requests, branches or rounds are made; never fewer than `least`."""
        return max(least, round(full * self.scale))


FULL = Effort(rounds=5, scale=1.0)
QUICK = Effort(rounds=1, scale=0.05)
"""A smoke test: everything runs, the figures mean little."""
