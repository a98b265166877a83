from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.binding import available, bind, ollama_address, provider, providers
from workflows.catalog import names, template
from workflows.errors import UsageError
from workflows.lint import check
from workflows.loading import dump, parse

EVERY = [entry.name for entry in providers()]


def test_the_variables_that_are_set_say_which_providers_are_open() -> None:
    assert [p.name for p in available({"OPENAI_API_KEY", "OLLAMA_HOST", "HOME"})] == ["openai", "ollama"]
    assert available(()) == ()


def test_an_unknown_provider_is_a_usage_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean `openrouter`"):
        provider("open-router")


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("chosen", EVERY)
def test_every_template_bound_to_any_provider_is_flawless_and_asks_only_it(name: str, chosen: str) -> None:
    spec = bind(template(name), chosen)
    entry = provider(chosen)
    assert check(dump(spec)) == ()
    assert parse(dump(spec)) == spec
    assert {model.model for model in spec.models.values()} <= {entry.main, *entry.panel}
    assert all((model.base_url or "") == entry.base_url for model in spec.models.values())


@pytest.mark.parametrize("chosen", EVERY)
def test_a_panel_is_as_diverse_as_the_provider_allows(chosen: str) -> None:
    spec = bind(template("fusion-review"), chosen)
    (tool,) = spec.panels.values()
    assert [spec.models[branch.model].model for branch in tool.branches] == list(provider(chosen).panel)
    assert spec.models["main"].model == provider(chosen).main


def test_an_alias_that_both_answers_and_sits_in_the_panel_answers_well() -> None:
    text = dump(template("fusion-review")).replace("model: broad\n", "model: main\n")
    spec = bind(parse(text), "openai")
    assert spec.models["main"].model == "openai/gpt-5.5"


def test_bounds_and_fallbacks_stay_and_what_fitted_the_old_model_goes() -> None:
    before = template("fusion-review")
    after = bind(before, "anthropic")
    assert after.models["critic"].fallbacks == ("main",)
    assert after.models["broad"].max_tokens == 4000
    assert after.models["broad"].temperature is None
    assert after.models["main"].price is None
    assert (after.main, after.tools) == (before.main, before.tools)


def test_leaving_the_embedded_model_drops_what_was_written_for_it() -> None:
    after = bind(template("fusion-review-demo"), "gemini")
    (tool,) = after.panels.values()
    assert tool.trigger == "auto"
    assert tool.synthesis.prompt is None
    roles = [after.main.examples, *(branch.examples for branch in tool.branches), tool.synthesis.examples]
    assert not any(roles)
    assert {model.max_tokens for model in after.models.values()} == {None}


def test_a_trigger_that_was_not_the_demos_stays() -> None:
    text = dump(template("fusion-review")).replace("mode: fusion", "mode: fusion\n    trigger: always")
    assert bind(parse(text), "openai").tools["problem_review"].trigger == "always"


def test_an_address_of_ones_own_replaces_the_providers() -> None:
    spec = bind(template("fusion-review"), "ollama", "http://10.0.0.5:11434/v1")
    assert {(model.kind, model.base_url) for model in spec.models.values()} == {
        ("openai_compatible", "http://10.0.0.5:11434/v1")
    }


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),  # noqa: S104  # recognised, not bound
        ("10.0.0.5:8080", "http://10.0.0.5:8080/v1"),
        (":9000", "http://127.0.0.1:9000/v1"),
        ("ollama.local", "http://ollama.local:11434/v1"),
        ("https://ollama.example/", "https://ollama.example:443/v1"),
        ("http://host/v1/", "http://host:80/v1"),
        ("[::1]:11435", "http://[::1]:11435/v1"),
    ],
)
def test_ollamas_host_is_understood_in_every_form_that_ollama_takes(host: str, address: str) -> None:
    assert ollama_address(host) == address


@given(st.text(max_size=30))
def test_any_host_is_an_address_or_a_usage_error(host: str) -> None:
    try:
        address = ollama_address(host)
    except UsageError:
        return
    assert address.startswith(("http://", "https://"))
    assert address.endswith("/v1")


def test_the_default_models_are_known_to_litellm() -> None:
    found = find_spec("litellm")
    assert found is not None
    assert found.origin is not None
    map_file = Path(found.origin).parent / "model_prices_and_context_window_backup.json"
    known = json.loads(map_file.read_text(encoding="utf-8"))
    # OpenRouter's models are not in the map; Ollama's are what the user pulled.
    models = [
        m for p in providers() if p.name in {"anthropic", "openai", "gemini"} for m in (p.main, *p.panel)
    ]
    assert [m for m in models if m not in known and m.partition("/")[2] not in known] == []
