from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflows.collecting import decide
from workflows.policy import Collect

POLICY = Collect(quorum=2, grace=8.0, timeout=90.0, deadline=150.0)


def test_it_waits_for_the_deadline_while_the_quorum_is_missing() -> None:
    assert decide(POLICY, elapsed=10.0, pending=2, answered_at=[9.0]) == 140.0


def test_after_the_quorum_it_waits_for_the_grace_only() -> None:
    assert decide(POLICY, elapsed=10.0, pending=1, answered_at=[3.0, 9.0]) == 7.0


def test_the_grace_begins_with_the_answer_that_made_the_quorum_and_not_with_later_ones() -> None:
    assert decide(POLICY, elapsed=12.0, pending=1, answered_at=[3.0, 5.0, 11.0]) == 1.0


def test_the_grace_never_reaches_past_the_deadline() -> None:
    assert decide(POLICY, elapsed=146.0, pending=1, answered_at=[3.0, 145.0]) == 4.0


def test_it_ends_with_the_last_branch_whatever_it_came_to() -> None:
    assert decide(POLICY, elapsed=1.0, pending=0, answered_at=[]) == "all"


def test_an_impossible_quorum_still_waits_for_a_survivor() -> None:
    assert decide(POLICY, elapsed=1.0, pending=1, answered_at=[]) == 149.0


@given(
    quorum=st.integers(1, 5),
    grace=st.floats(0, 20),
    deadline=st.floats(0.1, 200),
    elapsed=st.floats(0, 300),
    pending=st.integers(0, 5),
    waits=st.lists(st.floats(0, 100), max_size=5),
)
def test_the_wait_is_positive_and_ends_by_the_deadline(
    *, quorum: int, grace: float, deadline: float, elapsed: float, pending: int, waits: list[float]
) -> None:
    policy = Collect(quorum, grace, 90.0, deadline)
    verdict = decide(policy, elapsed=elapsed, pending=pending, answered_at=sorted(waits))
    if isinstance(verdict, float):
        assert verdict > 0
        assert pending > 0
        assert elapsed + verdict <= deadline + 1e-9
