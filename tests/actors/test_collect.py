"""Collecting a fan-out: whoever wins, nobody is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import collect as collect_module
from actors.collect import collect
from tests.workflows.flows import answered, failed
from workflows.errors import JournalUnavailable, LaneLost
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome
from workflows.messages import ChatRequest, Message
from workflows.policy import Collect

PATIENT = Collect(quorum=3, grace=0.0, timeout=60.0, deadline=60.0)


@pytest.fixture(scope="module", autouse=True)
def _short_patience() -> Iterator[None]:
    """Stopped calls get little time to report, so that deaf ones do not slow the tests down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_module, "STOP_REPORT_SECONDS", 0.005)
        yield


def call(name: str) -> Call:
    return Call(
        f"review.1/{name}", "review.1", "branch", name, name, ChatRequest((Message.of("user", "Hi " * 40),))
    )


class Flying:
    """A call whose end the test decides. `deaf`: it does not report when it is stopped."""

    def __init__(self, call: Call, *, deaf: bool = False) -> None:
        self.call = call
        self.future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.deaf = deaf
        self.stopped: list[str] = []
        self.cancelled = False

    def result(self) -> Awaitable[Outcome]:
        return self.future

    def stop(self, reason: str) -> None:
        self.stopped.append(reason)
        if not self.deaf and not self.future.done():
            self.future.set_result(Cancelled(self.call.step_id, reason, 0.1))

    def cancel(self) -> None:
        self.cancelled = True


class Log:
    """Outcomes as they are reported to the journal."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def __call__(self, _call: Call, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def panel(*names: str, deaf: tuple[str, ...] = ()) -> list[tuple[Call, Flying]]:
    return [(call(name), Flying(call(name), deaf=name in deaf)) for name in names]


async def test_outcomes_come_in_the_order_of_the_calls_and_not_of_their_ends() -> None:
    flying = panel("a", "b", "c")
    log = Log()
    for each, pending in reversed(flying):
        pending.future.set_result(answered(each, each.name))
    collected = await collect(flying, PATIENT, log)
    assert [outcome.step_id for outcome in collected.outcomes] == [each.step_id for each, _ in flying]
    assert collected.ended_by == "all"
    assert len(log.outcomes) == 3


async def test_stragglers_are_stopped_after_the_quorum_and_recorded() -> None:
    flying = panel("a", "b", "c")
    for each, pending in flying[:2]:
        pending.future.set_result(answered(each, "x"))
    collected = await collect(flying, Collect(2, 0.0, 60.0, 60.0), Log())
    assert collected.ended_by == "quorum"
    assert flying[2][1].stopped == ["straggler"]
    assert isinstance(collected.outcomes[2], Cancelled)


async def test_the_deadline_ends_a_panel_without_a_quorum() -> None:
    flying = panel("a", "b")
    flying[0][1].future.set_result(answered(flying[0][0], "x"))
    collected = await collect(flying, Collect(2, 0.0, 60.0, 0.01), Log())
    assert collected.ended_by == "deadline"
    assert flying[1][1].stopped == ["deadline"]
    assert isinstance(collected.outcomes[0], Answered)


async def test_a_stopped_call_that_does_not_report_is_recorded_with_an_estimate() -> None:
    flying = panel("a", "b", deaf=("b",))
    flying[0][1].future.set_result(answered(flying[0][0], "x"))
    log = Log()
    collected = await collect(flying, Collect(1, 0.0, 60.0, 60.0), log)
    silent = collected.outcomes[1]
    assert isinstance(silent, Cancelled)
    assert silent.usage.estimated
    assert silent.usage.input_tokens == 30
    assert flying[1][1].cancelled
    assert log.outcomes[-1] == silent


async def test_a_lost_process_is_a_failure_of_its_call_only() -> None:
    flying = panel("a", "b")
    flying[0][1].future.set_exception(LaneLost())
    flying[1][1].future.set_result(answered(flying[1][0], "x"))
    collected = await collect(flying, PATIENT, Log())
    lost, fine = collected.outcomes
    assert isinstance(lost, Failed)
    assert lost.failure.code == "lane_lost"
    assert isinstance(fine, Answered)


async def test_whoever_is_cancelled_while_collecting_gives_every_open_call_up() -> None:
    flying = panel("a", "b")
    flying[0][1].future.set_result(answered(flying[0][0], "x"))
    task = asyncio.ensure_future(collect(flying, PATIENT, Log()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [pending.cancelled for _, pending in flying] == [False, True]


async def test_an_answer_that_cannot_be_recorded_is_not_used() -> None:
    """What nobody keeps account of must not be built upon."""

    def down(_call: Call, _outcome: Outcome) -> None:
        raise JournalUnavailable("the disk is full")

    flying = panel("a", "b")
    flying[0][1].future.set_result(answered(flying[0][0], "x"))
    with pytest.raises(JournalUnavailable):
        await collect(flying, PATIENT, down)
    assert flying[1][1].cancelled


@settings(deadline=None, max_examples=60)
@given(
    fates=st.lists(st.sampled_from(["answer", "fail", "lost", "hang", "deaf"]), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    quorum=st.integers(1, 6),
)
async def test_nothing_is_lost(fates: list[str], order: object, quorum: int) -> None:
    """Started = answered + failed + cancelled, for every interleaving and failure, each recorded once."""
    names = [f"b{number}" for number in range(len(fates))]
    deaf = tuple(name for name, fate in zip(names, fates, strict=True) if fate == "deaf")
    flying = panel(*names, deaf=deaf)
    ends = list(zip(flying, fates, strict=True))
    order.shuffle(ends)  # type: ignore[attr-defined]  # hypothesis types its Random as object here

    async def happen() -> None:
        for (each, pending), fate in ends:
            await asyncio.sleep(0)
            if pending.future.done():
                continue
            match fate:
                case "answer":
                    pending.future.set_result(answered(each, "x"))
                case "fail":
                    pending.future.set_result(failed(each))
                case "lost":
                    pending.future.set_exception(LaneLost())

    log = Log()
    happening = asyncio.ensure_future(happen())
    collected = await collect(flying, Collect(min(quorum, len(names)), 0.0, 60.0, 0.02), log)
    await happening
    assert len(collected.outcomes) == len(names)
    assert [outcome.step_id for outcome in collected.outcomes] == [each.step_id for each, _ in flying]
    assert sorted(outcome.step_id for outcome in log.outcomes) == sorted(each.step_id for each, _ in flying)
    hung = sum(fate in {"hang", "deaf"} for fate in fates)
    assert sum(isinstance(outcome, Cancelled) for outcome in collected.outcomes) >= hung


async def test_an_empty_answer_does_not_count_towards_the_quorum() -> None:
    flying = panel("a", "b", "c")
    flying[0][1].future.set_result(answered(flying[0][0], ""))
    flying[1][1].future.set_result(answered(flying[1][0], "x"))
    collected = await collect(flying, Collect(2, 0.0, 60.0, 0.05), Log())
    assert collected.ended_by == "deadline"
