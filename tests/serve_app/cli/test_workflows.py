import io
from pathlib import Path

import pytest
from rich.console import Console

from serve_app.cli.console import THEME
from serve_app.cli.workflows import DEMO_TEMPLATE, chosen, tell_about
from workflows import catalog
from workflows.errors import SetupInvalid, UsageError, WorkflowInvalid
from workflows.spec import WorkflowSpec

DEMO = catalog.template_text(DEMO_TEMPLATE)

pytestmark = pytest.mark.usefixtures("home")


def told(specs: tuple[WorkflowSpec, ...], provider: str | None = None) -> str:
    console = Console(file=io.StringIO(), width=1000, theme=THEME)
    tell_about(specs, provider, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_word_the_demo_is_chosen_and_called_so() -> None:
    (demo,) = chosen([], None)
    assert demo.name == "fusion-review"
    assert {model.kind for model in demo.models.values()} == {"embedded"}
    assert "SmolLM2-135M" in told((demo,))
    assert "trigger: always" in told((demo,))


def test_a_forced_panel_is_only_spoken_of_where_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(DEMO.replace("trigger: always", "trigger: auto"))
    words = told(chosen([str(file)], None))
    assert "SmolLM2-135M" in words
    assert "trigger: always" not in words


def test_templates_are_named_and_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(DEMO.replace("name: fusion-review", "name: mine"))
    assert [spec.name for spec in chosen([DEMO_TEMPLATE, str(file)], None)] == ["fusion-review", "mine"]


def test_a_file_wins_over_a_template_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(DEMO_TEMPLATE).write_text(DEMO.replace("name: fusion-review", "name: mine"))
    assert chosen([DEMO_TEMPLATE], None)[0].name == "mine"


def test_two_workflows_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="Two workflows are called `fusion-review`"):
        chosen([DEMO_TEMPLATE, DEMO_TEMPLATE], None)


def test_a_source_that_names_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no template `nothing`"):
        chosen(["nothing"], None)
    with pytest.raises(UsageError, match="cannot be read"):
        chosen([str(tmp_path / "nothing.yaml")], None)


def test_a_file_with_errors_is_refused_with_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(
        DEMO.replace("main: &tiny", "unused: &tiny").replace("  model: main\n", "  model: broad\n")
    )
    with pytest.raises(WorkflowInvalid, match=r"bad\.yaml:\d+: models\.main: nothing uses"):
        chosen([str(file)], None)


def test_a_provider_needs_its_key() -> None:
    with pytest.raises(SetupInvalid, match="OPENAI_API_KEY is not set"):
        chosen([DEMO_TEMPLATE], "openai")
    with pytest.raises(UsageError, match="There is no provider `opnai`"):
        chosen([DEMO_TEMPLATE], "opnai")


def test_a_providers_models_take_the_place_of_the_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    (bound,) = chosen([DEMO_TEMPLATE], "openai")
    assert all(model.model.startswith("openai/") for model in bound.models.values())
    assert told((bound,), "openai") == ""


def test_ollama_is_reached_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.7:1234")
    (bound,) = chosen([DEMO_TEMPLATE], "ollama")
    assert {model.base_url for model in bound.models.values()} == {"http://192.0.2.7:1234/v1"}


def test_keys_at_hand_are_named_but_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "sk-secret-1")
    assert "GEMINI_API_KEY is set: add `--provider gemini`" in told(chosen([], None))
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-secret-2")
    words = told(chosen([], None))
    assert "OPENROUTER_API_KEY, GEMINI_API_KEY are set: add `--provider openrouter`" in words
    assert "sk-secret" not in words
