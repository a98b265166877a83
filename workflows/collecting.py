"""When to stop waiting for a panel: quorum, grace and deadline as one pure decision.

Whoever collects (`actors.collect`) asks after every answer and whenever the wait that it was told is over. The
rule: go on when everything ended; when the deadline is reached; or when `quorum` branches have answered and
`grace` seconds have passed since then. A branch that failed never counts towards the quorum, so a panel in which
the quorum has become impossible still waits for every branch that may answer: one survivor is worth having.
"""

from __future__ import annotations

from collections.abc import Sequence

from workflows.flow import EndedBy
from workflows.policy import Collect


def decide(policy: Collect, *, elapsed: float, pending: int, answered_at: Sequence[float]) -> float | EndedBy:
    """Return how many seconds to wait still, at most, or why to stop.

    Args:
        policy: quorum, grace and deadline.
        elapsed: seconds since the panel began.
        pending: branches that have not ended.
        answered_at: for every answer, the seconds since the panel began, in order of arrival.

    """
    if pending == 0:
        return "all"
    if elapsed >= policy.deadline:
        return "deadline"
    if len(answered_at) < policy.quorum:
        return policy.deadline - elapsed
    enough_at = answered_at[policy.quorum - 1] + policy.grace
    if elapsed >= enough_at:
        return "quorum"
    return min(enough_at, policy.deadline) - elapsed
