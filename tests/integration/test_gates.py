"""Gates, limits and short cuts of a panel, on real Ray over real HTTP; what was decided is in the run."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError

from tests.conftest import Product
from tests.integration.gates import PASSED_ON
from tests.integration.panels import ANSWER
from tests.integration.test_panels import PROMPT, ask, steps

pytestmark = pytest.mark.ray


def calls(product: Product, already: int) -> list[str]:
    """The models that the upstream was asked since then, in alphabetical order."""
    return sorted(seen.model for seen in product.upstream.seen[already:])


def panel_of(product: Product, model: str) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Ask; the tool's step, what it decided, and whom the upstream was asked for."""
    already = len(product.upstream.seen)
    answer, shown = ask(product, model)
    assert answer in {ANSWER, PASSED_ON}
    assert shown["status"] == "ok"
    tool = steps(shown)["problem_review"]
    return tool, tool["detail"], calls(product, already)


def test_a_panel_shrinks_to_the_money_that_is_left_optional_branches_first(product: Product) -> None:
    tool, detail, asked = panel_of(product, "short-of-money")
    assert tool["status"] == "degraded"
    assert detail["left_out"] == {"diverse": "budget"}
    assert asked == ["fast", "fast", "judge", "main", "main"]
    assert 0 < tool["cost_usd"] <= detail["estimate"]["cost_usd"] <= detail["allowance"]["cost_usd"] < 0.017


def test_a_panel_that_cannot_be_afforded_is_not_convened_and_the_main_llm_answers(product: Product) -> None:
    tool, detail, asked = panel_of(product, "out-of-money")
    assert tool["status"] == "skipped"
    assert detail["gate"] == "max_cost_usd"
    assert asked == ["main", "main"]


@pytest.mark.parametrize("model", ["no-money-at-all", "unpriced"])
def test_a_run_that_cannot_be_afforded_is_an_error_that_names_the_limit(product: Product, model: str) -> None:
    already = len(product.upstream.seen)
    with pytest.raises(BadRequestError, match="max_cost_usd"):
        product.openai().chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}])
    assert calls(product, already) == []


@pytest.mark.parametrize(("model", "gate"), [("one-panel", "max_panels_per_run"), ("once-only", "max_calls")])
def test_of_two_panels_at_once_only_as_many_are_convened_as_may_be(
    product: Product, model: str, gate: str
) -> None:
    already = len(product.upstream.seen)
    _, shown = ask(product, model)
    tools = {step["step_id"]: step for step in shown["steps"] if step["kind"] == "tool"}
    assert [tools[f"problem_review.{n}"]["status"] for n in (1, 2)] == ["ok", "skipped"]
    assert tools["problem_review.2"]["detail"]["gate"] == gate
    assert shown["panel"] == "ran"
    assert calls(product, already) == ["eager", "eager", "fast", "fast", "fast", "judge"]


@pytest.mark.parametrize(
    ("model", "gate"), [("short-task", "min_length"), ("no-picture", "media"), ("other-task", "arguments")]
)
def test_a_condition_that_does_not_hold_is_a_hint_to_the_main_llm(
    product: Product, model: str, gate: str
) -> None:
    tool, detail, asked = panel_of(product, model)
    assert tool["status"] == "skipped"
    assert detail["gate"] == gate
    assert detail["hint"] == tool["output"]
    assert asked == ["main", "main"]


def test_a_panel_ends_in_time_for_the_run_to_answer(product: Product) -> None:
    tool, detail, _ = panel_of(product, "in-a-hurry")
    assert detail["left_out"] == {"diverse": "deadline"}
    assert detail["synthesis"] == "ok"
    assert tool["seconds"] < 8


def test_answers_that_agree_are_not_merged(product: Product) -> None:
    tool, detail, asked = panel_of(product, "agreeing")
    assert tool["status"] == "ok"
    assert (detail["synthesis"], detail["agreement"]["score"]) == ("agreed", 1.0)
    assert asked == ["fast", "fast", "fast", "main", "main"]


def test_an_adaptive_panel_spares_branches_that_are_not_needed(product: Product) -> None:
    tool, detail, asked = panel_of(product, "adaptive-content")
    assert tool["status"] == "ok"
    assert detail["left_out"] == {"diverse": "not_needed"}
    assert asked == ["fast", "fast", "judge", "main", "main"]


def test_an_adaptive_panel_grows_when_the_first_disagree(product: Product) -> None:
    _, detail, asked = panel_of(product, "adaptive-doubtful")
    assert detail["adaptive"] == {"start": 2, "grown": True, "because": "disagreed"}
    assert detail["answered"] == ["broad", "risks", "diverse"]
    assert asked == ["doubter", "fast", "fast", "judge", "main", "main"]


def test_a_synthesis_that_writes_the_answer_has_it_passed_on(product: Product) -> None:
    answer, shown = ask(product, "writing")
    assert answer == PASSED_ON
    assert "written" in steps(shown)["problem_review"]["detail"]


def test_a_hedge_is_told(product: Product) -> None:
    _, detail, _ = panel_of(product, "hedged")
    assert detail["hedged"] == ["broad"]
    assert detail["attempts"]["broad"] == [{"model": "hanging", "ended": "hedged"}]
