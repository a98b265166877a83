"""What a run's events say in figures, and in log lines."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from actors.run_log import RunLog
from actors.run_metrics import RunMeter
from actors.watched import Watched
from cluster.instruments import (
    BRANCH_DURATION,
    BRANCHES_CANCELLED,
    COST,
    HEDGES,
    PANEL_WAIT,
    PANELS,
    RETRIES,
    RUN_DURATION,
    RUNS,
    TOKENS,
    Instrument,
)
from tests.workflows.stories import fusion_run
from workflows.errors import Failure
from workflows.events import (
    Event,
    RunFailed,
    RunFinished,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepStarted,
)
from workflows.spec import WorkflowSpec

SPEC = WorkflowSpec.model_validate(
    {
        "version": 1,
        "name": "council",
        "models": {"main": {"model": "openai/big"}, "fast": {"model": "openai/small"}},
        "main": {"model": "main"},
    }
)


class Figures:
    """Everything that was recorded."""

    def __init__(self, *events: Event) -> None:
        self.taken: list[tuple[Instrument, float, Mapping[str, str]]] = []
        meter = RunMeter(SPEC, lambda *figure: self.taken.append(figure))
        for event in events:
            meter.see(event)

    def of(self, instrument: Instrument, **labels: str) -> list[float]:
        wanted = {name.replace("error_type", "error.type"): value for name, value in labels.items()}
        return [v for each, v, told in self.taken if each is instrument and wanted.items() <= told.items()]


def step(
    step_id: str, kind: str, *, parent: str = "", name: str = "", model: str = "", at: float = 0.0
) -> Event:
    return StepStarted(
        id=f"{step_id}:s",
        run_id="run_1",
        at=at,
        step_id=step_id,
        parent_id=parent,
        step_kind=kind,  # type: ignore[arg-type]  # the tests' own words
        name=name or step_id,
        model=model,
    )


def test_a_whole_run_is_counted_once_with_all_that_it_took() -> None:
    events = fusion_run()
    finished = next(event for event in events if isinstance(event, RunFinished))
    figures = Figures(*events)
    assert figures.of(RUNS) == [1]
    assert figures.of(RUNS, virtual_model="council", status="ok", panel=finished.panel) == [1]
    assert len(figures.of(RUN_DURATION)) == 1
    completions = [e.completion for e in events if isinstance(e, StepFinished) and e.completion]
    lost = [e for e in events if isinstance(e, StepFailed | StepCancelled)]
    tokens = sum(c.usage.input_tokens for c in completions) + sum(e.usage.input_tokens for e in lost)
    assert sum(figures.of(TOKENS, type="input")) == tokens
    cost = sum(c.cost_usd or 0 for c in completions) + sum(e.cost_usd or 0 for e in lost)
    assert sum(figures.of(COST)) == pytest.approx(cost)
    assert all(set(told) <= set(each.attributes) for each, _, told in figures.taken)


def test_a_panels_wait_lasts_from_its_first_question_to_its_last_end() -> None:
    tool = StepFinished(
        id="t",
        run_id="run_1",
        at=9.0,
        step_id="review.1",
        seconds=8.0,
        detail={"ended_by": "quorum", "status": "ran"},
    )
    figures = Figures(
        step("review.1", "tool", name="review", at=1.0),
        step("review.1/a", "branch", parent="review.1", model="fast", at=2.0),
        step("review.1/b", "branch", parent="review.1", model="fast", at=2.5),
        StepFinished(id="a", run_id="run_1", at=4.0, step_id="review.1/a", seconds=2.0, model="small-2026"),
        StepCancelled(id="b", run_id="run_1", at=5.0, step_id="review.1/b", reason="straggler", seconds=2.5),
        tool,
    )
    assert figures.of(PANEL_WAIT, tool="review", ended_by="quorum") == [3.0]
    assert figures.of(PANELS, status="ran") == [1]
    assert figures.of(BRANCH_DURATION, model="openai/small", status="ok") == [2.0]
    assert figures.of(BRANCH_DURATION, status="cancelled") == [2.5]
    assert figures.of(BRANCHES_CANCELLED, reason="straggler") == [1]


def test_retries_and_hedges_are_told_apart() -> None:
    failure = Failure("upstream_busy", "full", retryable=True)
    figures = Figures(
        step("a/attempt.1", "attempt", name="attempt 1", model="fast"),
        StepFailed(id="1", run_id="run_1", at=1.0, step_id="a/attempt.1", failure=failure, model="fast"),
        step("a/attempt.2.lost", "attempt", name="attempt 2.lost", model="main"),
        StepCancelled(
            id="2", run_id="run_1", at=1.0, step_id="a/attempt.2.lost", reason="hedged", model="main"
        ),
    )
    assert figures.of(RETRIES, model="openai/small", error_type="upstream_busy") == [1]
    assert figures.of(HEDGES, model="openai/big") == [1]


def test_a_panel_whose_coordinator_died_is_lost() -> None:
    failure = Failure("coordinator_lost", "died", retryable=True)
    figures = Figures(
        StepFailed(id="1", run_id="run_1", at=1.0, step_id="review.1", failure=failure, seconds=2.0)
    )
    assert figures.of(PANELS, tool="review", status="lost") == [1]


def test_a_failed_run_has_its_code_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    begun = fusion_run()[0]
    failed = RunFailed(
        id="e", run_id="run_1", at=begun.at + 2, failure=Failure("limit_reached", "a secret prompt")
    )
    assert Figures(begun, failed).of(RUNS, status="failed", error_type="limit_reached") == [1]
    with caplog.at_level(logging.INFO, logger="actors.run_log"):
        lines = RunLog("council")
        lines.see(begun)
        lines.see(failed)
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("WARNING", "run failed: limit_reached")
    assert vars(line)["seconds"] == 2.0
    assert "secret" not in str(vars(line))


def test_an_answered_run_has_one_line_with_its_sums(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="actors.run_log"):
        lines = RunLog("council")
        for event in fusion_run():
            lines.see(event)
    (line,) = [record for record in caplog.records if record.getMessage() == "run ok"]
    assert {
        "virtual_model",
        "status",
        "seconds",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "panel",
    } <= vars(line).keys()


async def test_a_watcher_that_breaks_costs_nothing_but_a_line(caplog: pytest.LogCaptureFixture) -> None:
    class Kept:
        def __init__(self) -> None:
            self.events: list[Event] = []

        async def append(self, events: Sequence[Event]) -> None:
            self.events += events

        def append_soon(self, events: Sequence[Event]) -> None:
            self.events += events

    def broken(event: Event) -> None:
        raise RuntimeError(f"a secret of {event.run_id}")

    seen: list[Event] = []
    kept, (first, second, *_) = Kept(), fusion_run()
    watched = Watched(kept, broken, seen.append)
    await watched.append([first])
    watched.append_soon([replace(second)])
    assert kept.events == seen == [first, second]
    assert "secret" not in caplog.text
