from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from tests.workflows.flows import run_request
from workflows import analysis
from workflows.catalog import names, template, template_text
from workflows.errors import UsageError
from workflows.fusion import forced_calls, mounted_tools
from workflows.lint import check
from workflows.loading import dump, parse
from workflows.prompting import render
from workflows.variables import branch_values

SHIPPED = (
    "architecture-review-panel",
    "code-review-council",
    "fusion-review",
    "fusion-review-demo",
    "research-fusion",
    "vision-mount",
)
FOR_REAL_WORK = tuple(name for name in SHIPPED if name != "fusion-review-demo")
PANELS = tuple(name for name in SHIPPED if template(name).panels)
PANELS_FOR_REAL_WORK = tuple(name for name in PANELS if name in FOR_REAL_WORK)


def test_the_templates_are_the_ones_that_are_documented() -> None:
    assert names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_template_is_flawless(name: str) -> None:
    assert check(template_text(name), name) == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_template_survives_being_written_again(name: str) -> None:
    assert parse(dump(template(name))) == template(name)


@pytest.mark.parametrize("name", FOR_REAL_WORK)
def test_a_template_has_the_name_that_it_is_published_under(name: str) -> None:
    assert template(name).name == name


@pytest.mark.parametrize("name", PANELS_FOR_REAL_WORK)
def test_branches_have_different_duties_and_vendors(name: str) -> None:
    spec = template(name)
    (tool,) = spec.panels.values()
    vendors = {spec.models[branch.model].model.split("/")[0] for branch in tool.branches}
    assert len(tool.branches) >= 3
    assert len({branch.prompt for branch in tool.branches}) == len(tool.branches)
    assert len(vendors) >= 2
    assert tool.collect.quorum < len(tool.branches)


@pytest.mark.parametrize("name", PANELS_FOR_REAL_WORK)
def test_the_model_that_merges_sits_in_no_panel(name: str) -> None:
    (tool,) = template(name).panels.values()
    assert tool.synthesis.model not in {branch.model for branch in tool.branches}


@pytest.mark.parametrize("name", PANELS_FOR_REAL_WORK)
def test_the_main_llm_is_told_when_to_call_the_tool_and_when_not(name: str) -> None:
    (tool,) = template(name).panels.values()
    assert tool.trigger == "auto"
    assert (
        "Call it, once, before you answer, when" in tool.description
        or "Call it, once, when" in tool.description
    )
    assert "Do not call it " in tool.description


@pytest.mark.parametrize("name", PANELS)
def test_every_branch_prompt_shows_every_required_argument(name: str) -> None:
    ((key, tool),) = template(name).panels.items()
    arguments = {required: f"<{required}>" for required in tool.input_schema["required"]}
    values = branch_values(key, tool, arguments, run_request().request)
    for branch in tool.branches:
        prompt = render(branch.prompt, values, branch.name)
        assert all(value in prompt for value in arguments.values())
        assert "\n\n\n" not in prompt


def test_the_demo_runs_its_panel_at_once_on_the_embedded_model() -> None:
    spec = template("fusion-review-demo")
    run = run_request("Review this plan.")
    assert {model.kind for model in spec.models.values()} == {"embedded"}
    assert spec.name == "fusion-review"
    assert spec.deployment == "shared"
    assert [call.name for call in forced_calls(mounted_tools(spec, run), run)] == ["problem_review"]
    assert [branch.name for branch in spec.panels["problem_review"].branches] == ["broad", "risks", "diverse"]


def test_the_demo_shows_its_model_two_examples_for_every_role() -> None:
    spec = template("fusion-review-demo")
    tool = spec.panels["problem_review"]
    roles = [spec.main.examples, *(branch.examples for branch in tool.branches), tool.synthesis.examples]
    assert [len(examples) for examples in roles] == [2] * 5


def test_the_demos_synthesis_is_shown_analyses_in_the_form_that_is_asked_for() -> None:
    for example in template("fusion-review-demo").panels["problem_review"].synthesis.examples:
        Draft202012Validator(analysis.schema("ABC")).validate(json.loads(example.assistant))


def test_an_unknown_template_is_a_usage_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean `fusion-review`"):
        template("fusion-revue")
    with pytest.raises(UsageError, match="Available: architecture-review-panel, "):
        template_text("../spec")
