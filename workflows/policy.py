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
