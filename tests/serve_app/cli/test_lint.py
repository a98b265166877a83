import json
from pathlib import Path

import pytest

from serve_app.cli.main import run
from workflows import catalog

GOOD = catalog.template_text("fusion-review-demo")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace("models:", "modles:", 1))
    return file


def test_a_flawless_file_is_said_to_be_so(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(good)]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "No problems in 1 file.\n"


def test_problems_are_told_as_file_and_line(
    good: Path, bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = 1 + next(n for n, text in enumerate(bad.read_text().splitlines()) if text.startswith("modles:"))
    assert run(["lint", str(good), str(bad)]) == 1
    shown = capsys.readouterr()
    assert (
        f"{bad}:{line}: modles: unknown key; did you mean `models`? [unknown-key]" in shown.out.splitlines()
    )
    assert shown.err == "1 error and 0 warnings in 2 files.\n"


def test_problems_for_programs(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "--json", str(bad)]) == 1
    problems = json.loads(capsys.readouterr().out)
    assert {"file", "line", "where", "message", "rule", "severity"} <= problems[0].keys()
    assert "modles" in [problem["where"] for problem in problems]


def test_a_file_that_is_not_there_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "nowhere.yaml"]) == 2
    assert "nowhere.yaml cannot be read" in capsys.readouterr().err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Stellarator workflow"
