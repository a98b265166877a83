"""How much a benchmark does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """`rounds` repetitions of each measurement, of at least `least` requests; `scale` shrinks the big ones."""

    rounds: int
    least: int
    scale: float


FULL = Effort(rounds=5, least=100, scale=1.0)
QUICK = Effort(rounds=1, least=20, scale=0.05)
"""A smoke test: everything runs, the figures mean little."""
