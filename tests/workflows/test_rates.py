"""So much a minute, whatever is asked when."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.rates import MINUTE, Rate

ASKED = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 12)), max_size=80)
"""Pauses in seconds, each with how much is asked after it."""


def spent(rate: Rate, asked: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """What is spent when, by somebody who asks so and takes what there is at once."""
    now, times = 0.0, []
    for pause, amount in asked:
        now += pause
        rate.refill(now)
        if rate.wait(amount) == 0:
            rate.spend(amount)
            times.append((now, amount))
    return times


@given(ASKED, st.integers(12, 100), st.booleans())
def test_no_minute_has_more_than_the_limit_and_no_moment_more_than_the_burst(
    asked: list[tuple[float, int]], limit: int, empty: bool
) -> None:
    rate = Rate(limit, 0.0, least=12, empty=empty)
    times = spent(rate, asked)
    for index, (began, _) in enumerate(times):
        total = 0.0
        for at, amount in times[index:]:
            total += amount
            if at - began < MINUTE:
                assert total <= limit
            assert total <= rate.burst + (at - began) * limit / MINUTE + 1e-6


@given(ASKED, st.integers(12, 100), st.integers(1, 12))
def test_after_the_seconds_that_it_names_so_much_may_be_spent_and_not_before(
    asked: list[tuple[float, int]], limit: int, amount: int
) -> None:
    rate = Rate(limit, 0.0, least=12)
    now = sum(pause for pause, _ in asked)
    spent(rate, asked)
    wait = rate.wait(amount)
    rate.refill(now + wait * 0.99)
    assert wait < 1e-6 or rate.wait(amount) > 0
    rate.refill(now + wait + 1e-6)
    assert rate.wait(amount) == pytest.approx(0, abs=1e-5)


def test_all_of_the_limit_can_be_used_minute_after_minute() -> None:
    rate, times, now = Rate(30, 0.0, least=10), 0, 0.0
    while now < 10 * MINUTE:
        rate.refill(now)
        wait = rate.wait(1)
        if wait == 0:
            rate.spend(1)
            times += 1
        now += max(wait, 1e-6)
    assert times >= 299


def test_something_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_off_afterwards() -> None:
    rate = Rate(60, 0.0)
    rate.refill(0.0)
    assert rate.wait(90) == 0
    rate.spend(90)
    rate.refill(30.0)
    assert rate.wait(1) > 0
    rate.refill(120.0)
    assert rate.wait(1) == 0


def test_what_was_reserved_and_not_used_is_given_back_and_what_was_used_besides_counts() -> None:
    rate = Rate(100, 0.0)
    first = rate.spend(20)
    rate.correct(first, 5)
    assert rate.wait(20) == 0
    second = rate.spend(20)
    rate.correct(second, 90)
    rate.refill(1.0)
    assert rate.wait(10) > 20


def test_a_slower_pace_fills_the_bucket_more_slowly() -> None:
    rate = Rate(60, 0.0, empty=True)
    rate.refill(1.0, pace=0.5)
    assert rate.wait(1, pace=0.5) == pytest.approx(1.0)


def test_others_who_are_ahead_are_waited_for() -> None:
    rate = Rate(60, 0.0, empty=True)
    assert rate.wait(1, ahead=9) == pytest.approx(10.0)
    assert rate.wait(1, ahead=600) == pytest.approx(601.0, rel=0.1)


def test_no_limit_is_no_wait() -> None:
    rate = Rate(math.inf, 0.0)
    for now in range(100):
        rate.refill(float(now))
        rate.correct(rate.spend(1e9), 1e8)
        assert rate.wait(1e9) == 0
    rate.relimit(10)
    rate.refill(99.0)
    assert rate.wait(1) > 0
    rate.relimit(math.inf)
    assert rate.wait(1) == 0
