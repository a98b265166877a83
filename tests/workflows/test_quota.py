"""One account's calls: never more than may be, in turn, and refused early rather than late."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from workflows.quota import MOST_WAITING_OF_ONE_CLIENT, Quota, RateLimits, Refusal, Ticket
from workflows.rates import MINUTE


@dataclass
class Account:
    """A quota and its clock, with what came of every call."""

    quota: Quota
    now: float = 0.0
    begun: list[tuple[float, str]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def ask(self, name: str, run: str = "run", *, tokens: int = 0, patience: float = math.inf) -> None:
        refusal = self.quota.ask(Ticket(name, ("", run), tokens, patience), self.now)
        self.refused += [refusal] if refusal else []
        self.look()

    def look(self) -> None:
        self.begun += [(self.now, name) for name in self.quota.admit(self.now)]
        self.refused += self.quota.overdue(self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass as a host does: it looks whenever something is due."""
        end = self.now + seconds
        while (due := self.quota.due(self.now)) <= end - self.now:
            self.now += max(due, 1e-6)
            self.look()
        self.now = max(self.now, end)
        self.look()

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.begun]


def account(**limits: int) -> Account:
    return Account(Quota(RateLimits(**limits), 0.0))


class AnyLoad(RuleBasedStateMachine):
    """Calls come, end, are withdrawn and pushed back in any order; the limits hold at every moment."""

    @initialize(
        parallel=st.none() | st.integers(1, 5),
        rpm=st.none() | st.integers(1, 60),
        tpm=st.none() | st.integers(100, 5000),
    )
    def open(self, parallel: int | None, rpm: int | None, tpm: int | None) -> None:
        self.limits = RateLimits(parallel, rpm, tpm)
        self.account = Account(Quota(self.limits, 0.0))
        self.asked: dict[str, tuple[float, float, int]] = {}
        self.ended: set[str] = set()

    @rule(run=st.sampled_from("abc"), tokens=st.integers(0, 100), patience=st.floats(0, 100))
    def ask(self, run: str, tokens: int, patience: float) -> None:
        name = f"{run}{len(self.asked)}"
        self.asked[name] = (self.account.now, patience, tokens)
        self.account.ask(name, run, tokens=tokens, patience=patience)

    @rule(tokens=st.none() | st.integers(0, 100))
    def end(self, tokens: int | None) -> None:
        running = [name for name in self.account.names if name not in self.ended]
        if running:
            self.ended.add(running[0])
            self.account.quota.end(running[0], self.account.now, tokens)
            self.account.look()

    @rule()
    def withdraw(self) -> None:
        if self.asked:
            name = list(self.asked)[-1]
            self.ended.add(name)
            self.account.quota.end(name, self.account.now)

    @rule(seconds=st.none() | st.floats(0, 100))
    def push_back(self, seconds: float | None) -> None:
        self.account.quota.push_back(self.account.now, seconds)

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.account.wait(seconds)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "account"):
            return
        begun = self.account.begun
        running = [name for name in self.account.names if name not in self.ended]
        assert len(running) <= (self.limits.max_parallel_requests or math.inf)
        in_a_minute = [sum(0 <= at - one < MINUTE for at, _ in begun) for one, _ in begun]
        assert max(in_a_minute, default=0) <= (self.limits.rpm or math.inf)
        told = Counter([*self.account.names, *(each.id for each in self.account.refused)])
        assert not told or max(told.values()) == 1

    @invariant()
    def nobody_waits_longer_than_it_can(self) -> None:
        if not hasattr(self, "account"):
            return
        over = {*self.account.names, *(each.id for each in self.account.refused), *self.ended}
        for name, (at, patience, _) in self.asked.items():
            assert name in over or self.account.now < at + patience + 1e-3
        assert all(each.retry_after > 0 for each in self.account.refused)


TestAnyLoad = AnyLoad.TestCase
TestAnyLoad.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_calls_begin_at_once_while_there_is_room() -> None:
    it = account(max_parallel_requests=2)
    for name in "abc":
        it.ask(name)
    assert it.names == ["a", "b"]
    it.quota.end("a", it.now)
    it.look()
    assert it.names == ["a", "b", "c"]


def test_runs_take_turns_however_many_calls_each_has() -> None:
    it = account(max_parallel_requests=1)
    for number in range(8):
        it.ask(f"long{number}", "long")
    for number in range(3):
        it.ask(f"short{number}", "short")
    for _ in range(6):
        it.quota.end(it.names[-1], it.now)
        it.look()
    assert sum(name.startswith("short") for name in it.names) == 3


def test_everything_that_waits_begins_in_the_end() -> None:
    it = account(rpm=20)
    for number in range(60):
        it.ask(str(number), str(number % 7))
    it.wait(3 * MINUTE)
    assert sorted(it.names, key=int) == [str(number) for number in range(60)]


def test_a_call_whose_turn_comes_too_late_is_refused_at_once_and_told_when() -> None:
    it = account(rpm=12)
    for number in range(10):
        it.ask(str(number))
    it.ask("patient", patience=12.0)
    it.ask("hasty", patience=8.0)
    assert [(each.id, each.because) for each in it.refused] == [("hasty", "rpm")]
    assert 8 < it.refused[0].retry_after < 12
    it.wait(12.0)
    assert it.names[-1] == "patient"


def test_a_call_that_waits_in_vain_is_refused_when_its_patience_is_over() -> None:
    it = account(max_parallel_requests=1)
    it.ask("first")
    it.ask("second", patience=3.0)
    it.wait(2.9)
    assert not it.refused
    it.wait(0.2)
    assert [(each.id, each.because) for each in it.refused] == [("second", "max_parallel_requests")]
    assert len(it.quota) == 1


def test_how_long_calls_take_says_how_long_the_next_will_wait() -> None:
    it = account(max_parallel_requests=1)
    it.ask("first")
    it.wait(20.0)
    it.quota.end("first", it.now)
    it.ask("second")
    it.ask("third", patience=10.0)
    assert it.refused[0].retry_after == pytest.approx(20.0)


def test_tokens_are_reserved_and_corrected_when_the_call_is_over() -> None:
    it = account(tpm=1000)
    it.ask("a", tokens=250)
    it.ask("b", tokens=250)
    assert it.names == ["a"]
    it.quota.end("a", it.now, tokens=10)
    it.look()
    assert it.names == ["a", "b"] or it.quota.due(it.now) < 1
    it.wait(1.0)
    assert it.names == ["a", "b"]


def test_a_call_of_more_tokens_than_a_minute_has_is_made_all_the_same() -> None:
    it = account(tpm=1000)
    it.ask("huge", tokens=5000)
    assert it.names == ["huge"]


def test_a_429_of_the_provider_stops_all_and_slows_them_down() -> None:
    it = account(rpm=60)
    it.quota.push_back(0.0, 20.0)
    it.ask("a")
    it.ask("hasty", patience=5.0)
    assert it.names == []
    assert [(each.id, each.because) for each in it.refused] == [("hasty", "provider")]
    it.wait(20.1)
    assert it.names == ["a"]


def test_a_429_refuses_at_once_who_cannot_wait_for_its_end() -> None:
    it = account(max_parallel_requests=1)
    it.ask("first")
    it.ask("hasty", patience=10.0)
    it.ask("patient", patience=40.0)
    it.quota.push_back(0.0, 20.0)
    it.look()
    assert [(each.id, each.because) for each in it.refused] == [("hasty", "provider")]


def test_several_429s_at_once_count_as_one() -> None:
    one, several = account(rpm=600), account(rpm=600)
    for it, times in ((one, 1), (several, 5)):
        for _ in range(times):
            it.quota.push_back(0.0, 1.0)
        for number in range(400):
            it.ask(str(number), patience=math.inf)
        it.wait(20.0)
    assert len(one.names) == len(several.names)


def test_the_queue_is_bounded() -> None:
    it = account(max_parallel_requests=1)
    for number in range(MOST_WAITING_OF_ONE_CLIENT + 2):
        it.ask(str(number))
    assert [each.because for each in it.refused] == ["queue"]


def test_after_a_restart_nothing_begins_at_once_and_what_is_under_way_counts() -> None:
    it = Account(Quota(RateLimits(max_parallel_requests=2, rpm=60), 0.0, empty=True))
    for name in "ab":
        it.quota.hold(Ticket(name), it.now)
    it.ask("c")
    it.wait(5.0)
    assert it.names == []
    it.quota.end("a", it.now)
    it.look()
    assert it.names == ["c"]


def test_the_strictest_of_two_and_the_share_of_one() -> None:
    one, other = RateLimits(20, 500, None), RateLimits(None, 60, 9000)
    assert one.strictest(other) == other.strictest(one) == RateLimits(20, 60, 9000)
    assert one.share(3) == RateLimits(6, 166, None)
    assert RateLimits(1, 1, 1).share(8) == RateLimits(1, 1, 1)


def test_limits_can_be_changed_under_way() -> None:
    it = account(max_parallel_requests=1)
    for name in "abc":
        it.ask(name)
    it.quota.limit(RateLimits(max_parallel_requests=3))
    it.look()
    assert it.names == ["a", "b", "c"]
