from dataclasses import replace
from pathlib import Path

import pytest

from cluster.settings import Settings
from serve_app.cli.keys import require_keys
from serve_app.cli.main import run
from workflows import catalog
from workflows.errors import SetupInvalid

REVIEW = catalog.template("fusion-review")

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("line", ["up fusion-review", "demo -w fusion-review", "preview fusion-review Hi"])
def test_missing_keys_end_a_command_before_anything_starts(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "OPENROUTER_API_KEY for `main`, GEMINI_API_KEY for `broad`" in err
    assert "--provider openrouter, anthropic" in err
    assert "Starting" not in err
    assert "Loading Ray" not in err


def test_a_provider_whose_key_is_here_is_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with pytest.raises(SetupInvalid, match="`--provider openai`") as raised:
        require_keys([REVIEW], Settings.from_env())
    assert "OPENAI_API_KEY" not in str(raised.value)
    assert "sk-secret" not in str(raised.value)


def test_keys_that_are_there_are_not_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER", "GEMINI", "OPENAI"):
        monkeypatch.setenv(f"{name}_API_KEY", "sk-x")
    require_keys([REVIEW, catalog.template("fusion-review-demo")], Settings.from_env())


def test_a_cluster_that_is_joined_has_keys_of_its_own() -> None:
    require_keys([REVIEW], replace(Settings.from_env(), ray_address="192.0.2.1:6379"))


def test_a_variable_of_ones_own_is_named_with_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "version: 1\nname: mine\n"
        'models: {main: {model: m, base_url: "http://127.0.0.1:9/v1", api_key_env: MINE_UNSET}}\n'
        "main: {model: main}\n"
    )
    assert run(["preview", str(file), "Hi"]) == 2
    assert "The models of mine need MINE_UNSET for `main`, which is not set." in capsys.readouterr().err
