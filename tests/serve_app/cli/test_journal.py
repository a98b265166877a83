"""`stellarator journal` on a journal that holds an old run and a new one."""

from __future__ import annotations

import json
from pathlib import Path
from time import time

import pytest

from serve_app.cli.main import run
from tests.serve_app.cli import stories
from tests.serve_app.cli.conftest import remember
from tests.serve_app.cli.test_runs import OLDER, as_run
from workflows.events import Event, event_adapter

DAY = 86400.0


@pytest.fixture
def told(home: Path) -> list[Event]:
    """The new run's events."""
    new = as_run(stories.RUN, stories.well(), stories.well()[0].at - time())
    remember(home, as_run(OLDER, stories.failed(), stories.failed()[0].at - time() + 40 * DAY), new)
    return new


def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert run(["runs", "list", "--json"]) == 0
    return [each["run_id"] for each in json.loads(capsys.readouterr().out)]


@pytest.mark.usefixtures("told")
def test_a_dry_run_says_what_would_go_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["journal", "prune", "--older-than", "30d", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("Would remove 1 runs")
    assert listed(capsys) == [stories.RUN, OLDER]


@pytest.mark.usefixtures("told")
def test_old_runs_are_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["journal", "prune", "--older-than", "30d", "--max-size", "1GB", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["runs"], shown["kept"], shown["dry_run"]) == ([OLDER], 1, False)
    assert listed(capsys) == [stories.RUN]


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("line", ["prune", "prune --older-than soon", "export --run nobody"])
def test_what_is_not_understood_is_said(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["journal", *line.split()]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


def test_a_run_is_exported_with_all_its_events(told: list[Event], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["journal", "export", "--since", "1d"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    shown = json.loads(line)
    assert (shown["format"], shown["run"]["run_id"], shown["run"]["status"]) == (1, stories.RUN, "ok")
    places = [event.pop("seq") for event in shown["events"]]
    assert places == sorted(places)
    assert [event_adapter.validate_python(event) for event in shown["events"]] == told
    assert run(["journal", "export", "--run", stories.RUN]) == 0
    assert capsys.readouterr().out.splitlines() == [line]


@pytest.mark.usefixtures("told")
def test_it_says_how_much_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["journal", "stats"]) == 0
    assert capsys.readouterr().out.startswith("2 runs, ")
