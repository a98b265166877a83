from typing import Any

import pytest

from workflows import catalog
from workflows.binding import bind
from workflows.keys import MissingKey, missing_keys
from workflows.spec import WorkflowSpec


def spec(**models: dict[str, Any]) -> WorkflowSpec:
    return WorkflowSpec.model_validate(
        {"version": 1, "name": "w", "models": models, "main": {"model": next(iter(models))}}
    )


def missing(workflow: WorkflowSpec, *variables: str) -> tuple[MissingKey, ...]:
    return missing_keys(workflow, variables.__contains__)


def test_a_variable_that_the_file_names_must_be_set() -> None:
    mine = spec(main={"model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "MINE"})
    assert missing(mine) == (MissingKey("MINE", ("main",)),)
    assert missing(mine, "MINE") == ()


def test_the_key_of_a_known_provider_must_be_set_once_for_all_its_models() -> None:
    two = spec(a={"model": "openai/x"}, b={"model": "mistral/y"}, c={"model": "openai/z"})
    assert missing(two) == (MissingKey("OPENAI_API_KEY", ("a", "c")),)
    assert missing(two, "OPENAI_API_KEY") == ()


def test_the_files_own_variable_takes_the_place_of_the_providers() -> None:
    own = spec(main={"model": "openai/x", "api_key_env": "MINE"})
    assert missing(own, "OPENAI_API_KEY") == (MissingKey("MINE", ("main",)),)


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("gemini/x", "GOOGLE_API_KEY"),
        ("openrouter/x/y", "OR_API_KEY"),
        ("anthropic/x", "ANTHROPIC_AUTH_TOKEN"),
    ],
)
def test_other_variables_that_litellm_reads_count(model: str, variable: str) -> None:
    assert missing(spec(main={"model": model}))
    assert missing(spec(main={"model": model}), variable) == ()


@pytest.mark.parametrize(
    "model",
    [
        {"model": "mistral/x"},
        {"model": "ollama/x"},
        {"model": "gpt-5.5"},
        {"model": "openai/x", "base_url": "http://127.0.0.1:9/v1"},
        {"provider": "litellm", "model": "openai/x", "base_url": "http://127.0.0.1:9/v1"},
        {"provider": "embedded", "model": "smollm2-135m-instruct"},
    ],
)
def test_whatever_is_not_known_to_need_a_key_is_let_through(model: dict[str, Any]) -> None:
    assert missing(spec(main=model)) == ()


@pytest.mark.parametrize("name", ["openai", "ollama"])
def test_a_bound_workflow_needs_its_providers_key_only(name: str) -> None:
    bound = bind(catalog.template("fusion-review"), name)
    assert missing(bound, "OPENAI_API_KEY") == ()
