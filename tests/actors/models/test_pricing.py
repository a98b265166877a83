from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.models import pricing
from actors.models.pricing import context_window, max_output, price, prices
from workflows.messages import Usage
from workflows.spec import ModelSpec, PriceSpec
from workflows.tariff import Prices

OWN = PriceSpec(input=3.0, output=15.0, cached_input=0.3)


def spec(model: str, base_url: str | None = None, **more: object) -> ModelSpec:
    return ModelSpec.model_validate({"model": model, "base_url": base_url, **more})


def test_the_workflows_own_price_goes_first() -> None:
    found = prices(spec("openai/gpt-4o", price=OWN))
    assert found == Prices(((0, OWN),), agreed=True)


def test_cached_input_has_its_own_price() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_input_tokens=400_000)
    assert Prices(((0, OWN),)).cost(usage) == pytest.approx(0.6 * 3 + 0.4 * 0.3 + 0.1 * 15)


def test_cached_input_costs_like_any_other_when_nothing_else_is_said() -> None:
    usage = Usage(input_tokens=1_000_000, cached_input_tokens=400_000)
    assert Prices(((0, PriceSpec(input=3.0, output=15.0)),)).cost(usage) == pytest.approx(3.0)


@pytest.mark.parametrize(
    "name", ["gpt-4o", "openai/gpt-4o", "anthropic/claude-opus-4-5", "gemini/gemini-2.5-flash"]
)
def test_litellms_names_are_found_with_and_without_their_provider(name: str) -> None:
    known = price(spec(name))
    assert known is not None
    assert 0 < known.input < known.output
    assert context_window(spec(name)) is not None
    assert max_output(spec(name)) is not None


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        ("nobody-knows-me", None),
        ("somebody/claude-opus-4-5", None),
        ("gpt-4o", "http://127.0.0.1:9100/v1"),
        ("gpt-4o", "https://models.example.org/v1"),
    ],
)
def test_a_name_that_may_be_anybodys_has_no_price(model: str, base_url: str | None) -> None:
    assert prices(spec(model, base_url)) is None
    assert context_window(spec(model, base_url)) is None
    assert max_output(spec(model, base_url)) is None


def test_a_provider_that_is_called_directly_is_known_by_its_host() -> None:
    assert price(spec("gpt-4o", "https://api.openai.com/v1")) == price(spec("openai/gpt-4o"))


def test_long_prompts_have_the_price_of_their_tier() -> None:
    found = prices(spec("gemini/gemini-2.5-pro"))
    assert found is not None
    (_, short), (limit, long) = found.tiers
    assert limit == 200_000
    assert long.input > short.input
    assert found.cost(Usage(input_tokens=limit)) == pytest.approx(limit * short.input / 1e6)
    assert found.cost(Usage(input_tokens=limit + 1)) == pytest.approx((limit + 1) * long.input / 1e6)


@pytest.mark.parametrize(
    "free",
    [
        ModelSpec(provider="embedded", model="smollm2-135m-instruct"),
        ModelSpec(provider="scripted", script=[]),
    ],
)
def test_the_embedded_and_the_scripted_model_cost_nothing(free: ModelSpec) -> None:
    found = prices(free)
    assert found is not None
    assert found.cost(Usage(1000, 1000)) == 0.0


def test_the_workflow_may_know_the_window_better() -> None:
    assert context_window(spec("openai/gpt-4o", context_window=9)) == 9


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_usage_has_a_negative_cost(asked: int, written: int, cached: int) -> None:
    assert Prices(((0, OWN), (200_000, OWN))).cost(Usage(asked, written, cached)) >= 0


def test_without_litellm_nothing_is_known_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    pricing._map.cache_clear()
    try:
        assert prices(spec("openai/gpt-4o")) is None
    finally:
        pricing._map.cache_clear()


def test_asking_for_a_price_does_not_import_litellm() -> None:
    code = (
        "import sys; from actors.models.pricing import price; from workflows.spec import ModelSpec;"
        "assert price(ModelSpec(model='openai/gpt-4o')); assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # our own interpreter
