"""What is published, as the command line tells it; without a server, straight from the journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import RenderableType

from actors.journal.sql import open_store
from cluster.settings import Settings
from serve_app.cli.main import run
from serve_app.cli.publications import compared
from serve_app.cli.render.publications import Differences, Names, Versions
from tests.serve_app.cli.screen import drawn
from tests.workflows.publishing import pass_through
from workflows.diffing import diff
from workflows.errors import UsageError
from workflows.loading import dump
from workflows.publications import Activation, Publication, drafted, history_json


def screen_text(view: RenderableType, width: int) -> str:
    return "\n".join(drawn(view, width))


def version(number: int) -> Publication:
    return drafted(pass_through("helper", f"m{number}"), who="ada", at=1e9 + number, note=f"no. {number}")


@pytest.fixture
def published(home: Path) -> str:
    """Two versions in the journal of this state folder, whose address it is; the first is active again."""
    url = Settings.from_env({"STELLARATOR_HOME": str(home)}).database_url
    store = open_store(url)
    for number in (1, 2):
        store.publications.add(version(number))
    for number in (1, 2, 1):
        moment = Activation(virtual_model="helper", number=number, at=1e9, who="ada", cause="publish")
        store.publications.activate(moment)
    store.close()
    return url


@pytest.mark.usefixtures("published")
def test_without_a_server_the_journal_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "helper", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(v["number"], v["state"]) for v in told["versions"]] == [(2, "retired"), (1, "active")]
    assert run(["publications"]) == 0
    assert "helper" in capsys.readouterr().out
    assert run(["diff", "helper"]) == 0
    assert "~ models.main.model" in capsys.readouterr().out
    assert run(["export", "helper"]) == 0
    assert capsys.readouterr().out == dump(pass_through("helper", "m1"))
    assert run(["export", "helper", "--version", "2"]) == 0
    assert capsys.readouterr().out == dump(pass_through("helper", "m2"))
    assert run(["history", "nobody"]) == 2
    assert "Nothing was ever published as `nobody`." in capsys.readouterr().err


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("line", ["publish fusion-review", "rollback helper", "unpublish helper"])
def test_what_changes_something_needs_a_server(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert "stellarator up FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"), [((None, None), (4, 5)), ((1, None), (1, 5)), ((1, 3), (1, 3)), ((5, 2), (5, 2))]
)
def test_the_newest_two_are_compared_unless_told(
    given: tuple[int | None, int | None], meant: tuple[int, int]
) -> None:
    assert compared([5, 4, 3, 2, 1], *given) == meant


def test_a_single_version_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(UsageError, match="no earlier version"):
        compared([1], None, None)


def test_differences_of_long_texts_are_told_line_by_line() -> None:
    before, after = (
        pass_through("helper", "m", main={"model": "main", "system": f"Be kind.\nBe {word}.\nBe true.\n"})
        for word in ("brief", "thorough")
    )
    shown = screen_text(Differences("helper", 1, 2, diff(before, after)), 80)
    assert "helper: version 1 → 2" in shown
    assert "~ main.system" in shown
    assert "- Be brief." in shown
    assert "+ Be thorough." in shown
    assert shown.count("Be kind.") == 1


def test_views_show_states_and_fit(published: str) -> None:
    store = open_store(published, read_only=True)
    told = history_json(store.publications.history("helper"), {2})
    store.close()
    shown = screen_text(Versions(told), 80)
    assert "● active" in shown
    assert "◐ draining" in shown
    assert "no. 2" in shown
    assert "helper" in screen_text(Names([told]), 80)
