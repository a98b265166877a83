import json
from pathlib import Path

import pytest

from serve_app.cli.main import run
from workflows import catalog

NAME = "fusion-review-demo"


@pytest.mark.parametrize("line", ["templates", "templates list"])
def test_templates_are_listed_with_what_they_are_for(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in catalog.names())
    assert catalog.template(NAME).description[:20] in shown


def test_templates_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["templates", "list", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == list(catalog.names())


def test_a_template_goes_through_a_pipe_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["templates", "show", NAME]) == 0
    assert capsys.readouterr().out == catalog.template_text(NAME)


def test_an_unknown_template_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["templates", "show", "fusion-reviw-demo"]) == 2
    assert f"Did you mean `{NAME}`?" in capsys.readouterr().err


def test_a_copy_is_flawless_and_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    assert run(["templates", "new", NAME, str(file)]) == 0
    assert file.read_text() == catalog.template_text(NAME)
    assert run(["lint", str(file)]) == 0
    file.write_text("mine")
    assert run(["templates", "new", NAME, str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["templates", "new", NAME, str(tmp_path / "nowhere" / "mine.yaml")]) == 2
    assert "cannot be written" in capsys.readouterr().err
