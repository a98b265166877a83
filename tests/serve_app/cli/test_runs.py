import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from serve_app.cli.main import run
from tests.serve_app.cli import stories
from tests.serve_app.cli.conftest import remember
from workflows.events import Event

OLDER = "run_0193567890abcdef0000000000000000"


def as_run(run_id: str, story: Sequence[Event], earlier: float = 0.0) -> list[Event]:
    """The same story as another run's."""
    return [
        replace(event, id=f"{run_id}:{event.id}", run_id=run_id, at=event.at - earlier) for event in story
    ]


@pytest.fixture
def journal(home: Path) -> Path:
    """Two runs whose ids begin alike; the failed one is older."""
    remember(home, as_run(OLDER, stories.failed(), 3600.0), stories.well())
    return home


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("line", ["runs", "runs list"])
def test_runs_are_listed_newest_first(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 0
    head, newest, oldest = capsys.readouterr().out.splitlines()
    assert "STATUS" in head
    assert "✓ ok" in newest
    assert "✗ failed" in oldest


@pytest.mark.usefixtures("journal")
def test_runs_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "list", "--json", "--limit", "1"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["run_id"], only["status"], only["input_tokens"]) == (stories.RUN, "ok", 961)
    assert only["seconds"] == pytest.approx(8.4)


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("name", ["last", stories.RUN, stories.RUN[:22], stories.RUN[4:22]])
def test_a_run_is_found_by_id_by_its_beginning_and_as_the_last(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runs", "show", name]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{stories.RUN}  fusion-review  ✓ ok")
    assert "└─ ✓ answer" in shown
    assert "\x1b" not in shown


@pytest.mark.usefixtures("journal")
def test_a_beginning_of_several_runs_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", stories.RUN[:12]]) == 2
    assert "2 runs begin with" in capsys.readouterr().err


@pytest.mark.usefixtures("journal")
def test_an_unknown_run_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "run_ffff"]) == 2
    assert "There is no run `run_ffff`" in capsys.readouterr().err


@pytest.mark.usefixtures("journal")
def test_a_run_for_programs_has_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "last", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answer"] == "Start with a pilot."
    assert [step["name"] for step in told["steps"]] == [
        "main",
        "problem_review",
        "broad",
        "diverse",
        "risks",
        "synthesis",
        "answer",
    ]
    assert {"name", "kind", "model", "status", "seconds", "input_tokens", "output_tokens"} <= told["steps"][
        0
    ].keys()


@pytest.mark.usefixtures("journal")
def test_what_was_said_is_another_view(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "last", "--conversation"]) == 0
    assert f"user\n│ {stories.PROMPT}\n" in capsys.readouterr().out


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("step", ["risks", f"{stories.TOOL}/risks"])
def test_one_step_is_shown_by_name_or_id(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "last", "--step", step]) == 0
    assert "│ Flaky tests." in capsys.readouterr().out


@pytest.mark.usefixtures("journal")
def test_one_step_for_programs_has_its_contents(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "last", "--step", "risks", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["request"]["messages"][0]["parts"][0]["text"] == "risks?"


@pytest.fixture
def credited(home: Path) -> None:
    """A run of which it is known what its branches contributed."""
    remember(home, [*stories.retried(), stories.credited()])


@pytest.mark.usefixtures("credited")
def test_a_branch_is_shown_with_the_sentences_that_it_supports(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "last", "--step", "broad"]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "What of it is in the answer",
        "  │ Start with a pilot.",
        "      ← broad 62% · word for word: A sound plan.",
    ]


@pytest.mark.usefixtures("credited")
def test_a_panel_is_shown_with_the_origin_of_every_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "last", "--step", "problem_review"]) == 0
    assert capsys.readouterr().out.splitlines()[-9:] == [
        "Where the answer comes from",
        "  │ Start with a pilot.",
        "      ← broad 62% · word for word: A sound plan.",
        "      ← risks 9%: Flaky tests.",
        "  │ I add this.",
        "      ← no branch",
        "Where the synthesis comes from",
        "  │ A pilot.",
        "      ← risks 9%: Flaky tests.",
    ]


@pytest.mark.usefixtures("credited")
def test_a_branch_for_programs_has_its_evidence_and_the_models_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["runs", "show", "last", "--step", "risks", "--json"]) == 0
    evidence = json.loads(capsys.readouterr().out)["evidence"]
    assert [(each["text"], each["sentence"]) for each in evidence] == [
        ("answer", "Start with a pilot."),
        ("synthesis", "A pilot."),
    ]
    assert run(["runs", "show", "last", "--json"]) == 0
    steps = {step["name"]: step for step in json.loads(capsys.readouterr().out)["steps"]}
    assert steps["broad"]["models_tried"] == ["refused", "slow", stories.MODEL]
    assert (steps["broad"]["attempts"], steps["risks"]["attempts"]) == (3, 1)
    assert steps["broad"]["contribution"]["answer"] == 0.62
    assert steps["problem_review"]["models_tried"] == []


@pytest.mark.usefixtures("journal")
def test_an_unknown_step_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "last", "--step", "nobody"]) == 2
    assert f"No step is called `nobody`. Name one of: main, {stories.TOOL}" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("line", ["runs list", "runs show last"])
def test_without_a_journal_the_way_to_one_is_told(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert "There is no journal" in capsys.readouterr().err


def test_an_empty_journal_is_no_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(home, [])
    assert run(["runs"]) == 0
    assert "There are no runs yet" in capsys.readouterr().err
    assert run(["runs", "show", "last"]) == 2
