"""`stellarator connect`, offline; tests/clients runs the real clients with what it wrote."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serve_app.cli.clients.table import CLIENTS
from serve_app.cli.main import run

KEY = 'sk-hush"$x`'
GOLDEN = Path(__file__).parent / "golden"
WITH_FILES = [name for name in CLIENTS if name in {"claude-code", "codex", "opencode", "continue", "pi"}]


@pytest.fixture(autouse=True)
def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home with nothing in it, and a state folder with a key."""
    monkeypatch.setenv("HOME", str(home))
    for name in (
        "CLAUDE_CONFIG_DIR",
        "CODEX_HOME",
        "XDG_CONFIG_HOME",
        "CONTINUE_GLOBAL_DIR",
        "PI_CODING_AGENT_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    (home / "api-key").write_text(f"{KEY}\n")
    return home


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["connect", *arguments, "--json"]) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


@pytest.mark.parametrize("name", CLIENTS)
def test_what_is_shown(name: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The golden files are what a person sees in a pipe, with the home folder as HOME."""
    assert run(["connect", name]) == 0
    assert capsys.readouterr().out.replace(str(desk), "HOME") == (GOLDEN / f"connect-{name}.txt").read_text()


def test_without_a_client_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connect"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(CLIENTS)
    assert run(["connect", "--json"]) == 0
    assert [each["client"] for each in json.loads(capsys.readouterr().out)] == list(CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_the_key_is_only_shown_when_asked_for(
    name: str, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write = ["--write"] if name in WITH_FILES else []
    for arguments in ([name], [name, "--json"], [name, *write]):
        assert run(["connect", *arguments]) == 0
        shown = capsys.readouterr()
        assert "sk-hush" not in shown.out + shown.err
    assert not [file for file in written(desk) if "sk-hush" in file.read_text()]
    assert run(["connect", name, *write, "--show-key"]) == 0
    shown = capsys.readouterr()
    holding = [file for file in written(desk) if "sk-hush" in file.read_text()]
    assert holding or "sk-hush" in shown.out
    assert {file.stat().st_mode & 0o777 for file in holding} <= {0o600}


def written(desk: Path) -> list[Path]:
    """What clients would find: not the state folder's own files."""
    own = {desk / "api-key", desk / "session.lock"}
    return [path for path in desk.rglob("*") if path.is_file() and path not in own]


@pytest.mark.parametrize("line", ["continue", "qwen-code", "aider", "aider --show-key", "anthropic-sdk"])
def test_a_shell_reads_the_key_from_the_environment_lines(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = told(capsys, *line.split())
    exports = "; ".join(f'export {key}="{value}"' for key, value in recipe["environment"].items())
    ran = subprocess.run(["/bin/sh", "-c", f"{exports}; env"], capture_output=True, text=True, check=True)
    assert KEY in [variable.partition("=")[2] for variable in ran.stdout.splitlines()]


@pytest.mark.parametrize("name", WITH_FILES)
def test_write_puts_the_same_into_the_file_once(
    name: str, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = told(capsys, name)["file"]
    assert not shown["written"]
    assert written(desk) == []
    assert told(capsys, name, "--write")["file"]["written"]
    assert Path(shown["path"]).read_text() == shown["text"]
    assert run(["connect", name, "--write"]) == 0
    assert "had it already" in capsys.readouterr().err
    assert len(written(desk)) == 1


def test_a_given_key_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STELLARATOR_API_KEY", "sk-given")
    assert told(capsys, "openai-sdk")["environment"]["OPENAI_API_KEY"] == "$STELLARATOR_API_KEY"
    assert '"printenv STELLARATOR_API_KEY"' in told(capsys, "claude-code")["file"]["text"]
    assert "{env:STELLARATOR_API_KEY}" in told(capsys, "opencode")["file"]["text"]


def test_a_client_that_keeps_its_files_elsewhere_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "elsewhere"))
    assert told(capsys, "codex")["file"]["path"] == str(tmp_path / "elsewhere" / "stellarator.config.toml")


def test_a_model_may_be_chosen_before_the_server_runs(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = told(capsys, "opencode", "--model", "my-panel")
    assert (recipe["model"], recipe["models"]) == ("my-panel", ["my-panel"])
    assert recipe["start"] == ["opencode", "-m", "stellarator/my-panel"]
    assert recipe["concern"].startswith("Nothing is running")


def test_the_address_follows_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STELLARATOR_HOST", "0.0.0.0")  # noqa: S104  # nothing is bound here
    monkeypatch.setenv("STELLARATOR_PORT", "8123")
    assert told(capsys, "codex")["base_url"] == "http://127.0.0.1:8123/v1"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("connect nope", "is no client that is known here"),
        ("connect qwen-code --write", "has no configuration file to write"),
    ],
)
def test_what_cannot_be_done_is_told(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert says in capsys.readouterr().err


def test_a_key_that_was_never_made_cannot_be_shown(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "api-key").unlink()
    assert run(["connect", "codex", "--show-key"]) == 2
    assert "no key yet" in capsys.readouterr().err
