"""The check-up on machines that are broken in one real way each."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.journal.sql import open_store
from actors.models.scripted.server import running
from cluster.findings import Finding, carried_out
from cluster.settings import environment
from serve_app.cli.main import run
from tests.conftest import free_port

WORKFLOW = """
version: 1
name: small
models:
  main: {{model: tiny, base_url: "{base_url}", api_key_env: DOCTOR_TEST_KEY}}
main: {{model: main}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    settings = {
        "STELLARATOR_HOME": str(tmp_path / "home"),
        "STELLARATOR_PORT": str(free_port()),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "",
        "DOCTOR_TEST_KEY": "sk-very-secret",
    }
    with environment(settings):
        yield tmp_path / "home"


def examined(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code = run(["doctor", "--json", *arguments])
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return code, found


def about(found: list[dict[str, Any]], subject: str) -> dict[str, Any]:
    (one,) = [each for each in found if each["subject"] == subject]
    return one


@contextmanager
def taken_port(besides: dict[str, str]) -> Iterator[None]:
    """The server's port, held by this process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with environment({"STELLARATOR_PORT": port, **besides}):
            yield


def workflow_file(folder: Path, base_url: str) -> str:
    file = folder / "small.yaml"
    file.write_text(WORKFLOW.format(base_url=base_url))
    return str(file)


def test_a_machine_where_nothing_runs_is_well(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = examined(capsys)
    wrong = [each for each in found if each["state"] == "fail"]
    assert (code, wrong) == (0, [])
    assert about(found, "Server")["state"] == "off"
    assert str(home) in about(found, "Journal")["said"]
    assert not (home / "journal.db").exists()  # it changes nothing


def test_a_taken_port_is_told_with_who_has_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not home.exists()
    with taken_port({}):
        code, found = examined(capsys)
    port = about(found, "HTTP port")
    assert (code, port["state"]) == (1, "fail")
    assert str(os.getpid()) in port["said"]
    assert "STELLARATOR_PORT" in port["remedy"]


def test_a_state_folder_that_cannot_be_made_fails_and_the_machine_is_looked_at_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    with environment({"STELLARATOR_HOME": str(tmp_path / "file" / "home")}):
        code, found = examined(capsys)
    assert code == 1
    assert "STELLARATOR_HOME" in about(found, "Settings")["said"]
    assert about(found, "Python")["state"] == "ok"


def test_a_journal_of_a_newer_version_fails(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    open_store(f"sqlite:///{home / 'journal.db'}").close()
    assert about(examined(capsys)[1], "Journal")["state"] == "ok"
    with sqlite3.connect(home / "journal.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    code, found = examined(capsys)
    journal = about(found, "Journal")
    assert (code, journal["state"]) == (1, "fail")
    assert "9999" in journal["said"]
    assert "Upgrade" in journal["remedy"]


def test_a_file_that_is_no_database_fails(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    (home / "journal.db").write_text("this is not a database, but it is long enough to be read as one" * 20)
    code, found = examined(capsys)
    assert (code, about(found, "Journal")["state"]) == (1, "fail")


def test_a_collector_that_is_down_is_doubtful_and_not_wrong(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not home.exists()
    with environment({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}):
        code, found = examined(capsys)
    assert (code, about(found, "Collector")["state"]) == (0, "warn")


def test_a_cluster_that_is_not_there_fails(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not home.exists()
    with environment({"STELLARATOR_RAY_ADDRESS": f"127.0.0.1:{free_port()}"}):
        code, found = examined(capsys)
    (ray,) = [each for each in found if each["subject"] == "Ray" and each["state"] != "ok"]
    assert (code, ray["state"]) == (1, "fail")


def test_a_models_server_that_is_down_and_a_missing_key_are_told_by_name_only(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not home.exists()
    file = workflow_file(tmp_path, f"http://127.0.0.1:{free_port()}/v1")
    code, found = examined(capsys, file)
    assert (code, about(found, "Model")["state"]) == (1, "fail")
    assert "sk-very-secret" not in json.dumps(found)
    with environment({"DOCTOR_TEST_KEY": ""}):
        _, found = examined(capsys, file)
    assert any("DOCTOR_TEST_KEY is not set" in each["said"] for each in found)


def test_a_probe_makes_a_real_call(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not home.exists()
    rules: list[dict[str, Any]] = [
        {"match": {"model": "tiny"}, "times": 1, "answer": "ok"},
        {"match": {}, "fail": {"status": 401}},
    ]
    with running(rules) as upstream:
        file = workflow_file(tmp_path, upstream.base_url)
        assert examined(capsys, file)[0] == 0  # without --probe nobody is called
        code, found = examined(capsys, file, "--probe")
        assert code == 0
        assert any("tiny answers" in each["said"] for each in found)
        code, found = examined(capsys, file, "--probe")
    assert code == 1
    assert "sk-very-secret" not in json.dumps(found)


def test_the_table_says_what_to_do_below_what_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not home.exists()
    with taken_port({"COLUMNS": "160"}):
        assert run(["doctor"]) == 1
    screen = capsys.readouterr().out
    assert "✗  HTTP port" in screen
    assert "choose another port with --port" in screen
    assert "1 to mend" in screen


def test_a_check_that_breaks_is_a_finding_and_stops_no_other() -> None:
    def broken() -> Iterable[Finding]:
        raise RuntimeError("sk-very-secret")

    first, second = carried_out((("This", broken), ("That", lambda: [Finding("That", "ok", "is fine")])))
    assert (first.subject, first.state) == ("This", "fail")
    assert "sk-very-secret" not in first.said
    assert second.state == "ok"
