import subprocess
from pathlib import Path

import pytest

from serve_app.cli.render.connection import Key, how_to_call

URL = "http://127.0.0.1:8000/v1"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "a folder" / "api-key"
    file.parent.mkdir()
    file.write_text("sk-kept\n")
    return file


def sections(key: Key) -> tuple[str, str, str]:
    facts, curl, python = how_to_call(URL, key, ("fusion-review", "other")).split("\n\n")
    return facts, curl, python


def test_a_new_key_is_shown_once_and_a_kept_one_by_its_place(key_file: Path) -> None:
    assert "sk-new" in sections(Key(key_file, "sk-new"))[0]
    assert f"API key   in {key_file}" in sections(Key(key_file))[0]
    assert "STELLARATOR_API_KEY" in sections(Key(None))[0]


def test_no_command_contains_the_key(key_file: Path) -> None:
    _, curl, python = sections(Key(key_file, "sk-new"))
    assert "sk-new" not in curl + python


@pytest.mark.parametrize("kept", [True, False])
def test_the_curl_command_can_be_pasted_into_a_shell(kept: bool, key_file: Path) -> None:
    curl = sections(Key(key_file if kept else None))[1]
    shown = subprocess.run(
        ["/bin/sh", "-c", f'curl() {{ printf "%s\\n" "$@"; }}\n{curl}'],
        env={"STELLARATOR_API_KEY": "sk-kept", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"{URL}/chat/completions" in shown
    assert "Authorization: Bearer sk-kept\n" in shown
    assert '{"model": "fusion-review", "messages": [{"role": "user"' in shown


@pytest.mark.parametrize("kept", [True, False])
def test_the_python_lines_call_the_official_sdk(
    kept: bool, key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STELLARATOR_API_KEY", "sk-kept")
    clients: list[dict[str, str]] = []

    class Recorded:
        """Stands for the SDK's client: remembers how it was made and answers at once."""

        def __init__(self, **how: str) -> None:
            clients.append(how)
            self.chat = self.completions = self.message = self

        def create(self, **_: object) -> "Recorded":
            self.choices = [self]
            self.content = "well"
            return self

    monkeypatch.setattr("openai.OpenAI", Recorded)
    exec(sections(Key(key_file if kept else None))[2], {})  # noqa: S102  # that it runs is what is tested
    assert clients == [{"base_url": URL, "api_key": "sk-kept"}]
    assert capsys.readouterr().out == "well\n"
