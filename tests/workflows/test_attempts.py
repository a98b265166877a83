"""Which model to try next, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflows.attempts import Attempt, attempt_of, attempt_step, first_attempt, hedge_model, next_attempt
from workflows.errors import Failure, LaneLost
from workflows.policy import Hedge, HedgeAllowance, Retry

BUSY = Failure("upstream_busy", "slow down", retryable=True)
REFUSED = Failure("upstream_refused", "no", retryable=False)
LOST = LaneLost().failure()
RETRY = Retry(attempts=3, base=1.0, cap=8.0)


def test_what_may_pass_is_tried_again_on_the_same_model() -> None:
    following = next_attempt(("a", "b"), RETRY, first_attempt(("a", "b")), [BUSY], draw=0.5)
    assert following == Attempt(2, "a", 0.5)


def test_what_cannot_pass_leads_to_the_fallback_at_once() -> None:
    assert next_attempt(("a", "b"), RETRY, Attempt(1, "a"), [REFUSED], draw=0.5) == Attempt(2, "b", 0.0)


def test_after_the_last_attempt_on_a_model_the_fallback_follows() -> None:
    assert next_attempt(("a", "b"), RETRY, Attempt(3, "a"), [BUSY] * 3, draw=0.5) == Attempt(4, "b", 0.0)


def test_after_the_last_fallback_nothing_is_left() -> None:
    assert next_attempt(("a", "b"), RETRY, Attempt(2, "b"), [REFUSED], draw=0.5) is None
    assert next_attempt(("a",), Retry(attempts=1), Attempt(1, "a"), [BUSY], draw=0.5) is None


def test_the_pause_is_never_shorter_than_retry_after() -> None:
    told = Failure("upstream_busy", "", retryable=True, retry_after=5.0)
    assert next_attempt(("a",), RETRY, Attempt(1, "a"), [told], draw=0.0) == Attempt(2, "a", 5.0)


def test_a_retry_after_beyond_the_cap_leads_to_the_fallback() -> None:
    told = Failure("upstream_busy", "", retryable=True, retry_after=60.0)
    assert next_attempt(("a", "b"), RETRY, Attempt(1, "a"), [told], draw=0.0) == Attempt(2, "b", 0.0)
    assert next_attempt(("a",), RETRY, Attempt(1, "a"), [told], draw=0.0) is None


def test_a_call_whose_process_died_moves_to_another_at_once_and_that_is_no_attempt() -> None:
    once = Retry(attempts=1, base=1.0, cap=8.0)
    assert next_attempt(("a",), once, Attempt(1, "a"), [LOST], draw=0.5) == Attempt(2, "a", 0.0)
    assert next_attempt(("a",), once, Attempt(2, "a"), [LOST, LOST], draw=0.5) == Attempt(3, "a", 0.0)
    assert next_attempt(("a",), once, Attempt(3, "a"), [LOST] * 3, draw=0.5) is None
    assert next_attempt(("a",), RETRY, Attempt(2, "a"), [LOST, BUSY], draw=0.5) == Attempt(3, "a", 0.5)


def test_no_room_within_our_own_limits_leads_to_the_fallback_at_once() -> None:
    full = Failure("rate_limited", "", retryable=True, retry_after=1.0)
    assert next_attempt(("a", "b"), RETRY, Attempt(1, "a"), [full], draw=0.0) == Attempt(2, "b", 0.0)
    assert next_attempt(("a",), RETRY, Attempt(1, "a"), [full], draw=0.0) is None


def test_a_hedge_goes_to_the_next_fallback_or_to_the_same_model() -> None:
    assert hedge_model(("a", "b"), Attempt(1, "a")) == "b"
    assert hedge_model(("a", "b"), Attempt(2, "b")) == "b"


@given(
    failures=st.lists(st.booleans(), min_size=1, max_size=40),
    models=st.integers(1, 4),
    attempts=st.integers(1, 4),
)
def test_attempts_are_bounded_and_models_are_tried_in_order(
    failures: list[bool], models: int, attempts: int
) -> None:
    """Whatever fails how: at most `attempts` on each model, never back to an earlier one."""
    names = tuple("abcd"[:models])
    retry = Retry(attempts=attempts)
    tried = [first_attempt(names)]
    on_model: list[Failure] = []
    for passes in failures:
        on_model.append(BUSY if passes else REFUSED)
        following = next_attempt(names, retry, tried[-1], on_model, draw=0.5)
        if following is None:
            break
        if following.model != tried[-1].model:
            on_model = []
        tried.append(following)
    order = [attempt.model for attempt in tried]
    assert order == sorted(order)
    assert all(order.count(name) <= attempts for name in names)
    assert [attempt.number for attempt in tried] == list(range(1, len(tried) + 1))


@given(failed=st.integers(1, 60), draw=st.floats(0, 1, exclude_max=True))
def test_a_pause_stays_within_the_exponential_bound(failed: int, draw: float) -> None:
    pause = RETRY.pause(failed, draw, None)
    assert pause is not None
    assert 0 <= pause <= min(8.0, 2.0 ** (failed - 1))


@given(calls=st.integers(0, 300), share=st.floats(0.01, 1.0))
def test_hedges_stay_within_their_share(calls: int, share: float) -> None:
    """However many want one: no more than the share of all calls, and the little that was saved at the start."""
    allowance, hedge = HedgeAllowance(), Hedge(1.0, share)
    hedged = 0
    for _ in range(calls):
        allowance.earn(hedge)
        hedged += allowance.spend()
    assert hedged <= calls * share + 1


@given(st.from_regex(r"[a-z_]+\.[0-9]+/[a-z_]+", fullmatch=True), st.integers(1, 99), st.booleans())
def test_an_attempts_step_says_which_attempt_of_which_step_it_is(step: str, number: int, hedge: bool) -> None:
    assert attempt_of(attempt_step(step, number, hedge=hedge)) == (step, number, hedge)
