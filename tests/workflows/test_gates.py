"""Calls of mounted tools that are turned away, with a hint that the main LLM can act on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.workflows.flows import workflow
from workflows.flow import ToolUse
from workflows.gates import Hint, admit, turned_away, unaffordable
from workflows.messages import ChatRequest, File, Image, Message, Part, Text, ToolCall, ToolResult
from workflows.policy import Allowance
from workflows.spec import FusionToolSpec

TASK = "Review the plan for the next quarter."


def tool(**when: Any) -> FusionToolSpec:
    return workflow(when=when).panels["review"]


def use(
    task: str = TASK, *parts: Part, allowance: Allowance | None = None, earlier: int = 0, **more: Any
) -> ToolUse:
    said = ChatRequest((Message("user", (Text("Please review"), *parts)),))
    call = ToolCall("call_1", "review", json.dumps({"task": task} | more))
    return ToolUse("review.1", "main", "review", call, said, allowance or Allowance(), earlier)


def gate(spec: FusionToolSpec, used: ToolUse) -> str:
    """The gate that is closed; empty when the call is admitted."""
    found = admit(spec, used)
    return found.gate if isinstance(found, Hint) else ""


def test_a_call_that_passes_every_gate_has_its_arguments() -> None:
    assert admit(tool(), use()) == {"task": TASK}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"topic": 1}', "'task' is a required property"),
    ],
)
def test_arguments_that_do_not_fit_are_the_main_llms_error_to_mend(arguments: str, said: str) -> None:
    call = ToolCall("call_1", "review", arguments)
    used = ToolUse("review.1", "main", "review", call, ChatRequest(()))
    hint = admit(tool(), used)
    assert isinstance(hint, Hint)
    assert said in hint.text
    outcome = turned_away(used, hint)
    assert (outcome.status, outcome.result.is_error) == ("skipped", True)
    assert outcome.detail == {"gate": "schema", "hint": hint.text}


def test_a_closed_gate_is_a_hint_and_no_error() -> None:
    outcome = turned_away(use(), Hint("min_length", "Say more."))
    assert (outcome.status, outcome.result.is_error, outcome.result.text) == ("skipped", False, "Say more.")
    assert outcome.usage.input_tokens == 0
    assert outcome.cost_usd == 0.0


def test_an_argument_may_have_to_be_long_enough() -> None:
    spec = tool(min_length={"task": 10})
    assert gate(spec, use("x" * 10)) == ""
    assert gate(spec, use("   short   ")) == "min_length"
    hint = admit(spec, use("short"))
    assert isinstance(hint, Hint)
    assert "`task` has 5 characters and needs at least 10" in hint.text


def test_a_tool_may_be_used_so_often_in_a_run() -> None:
    spec = tool(max_calls=2)
    assert [gate(spec, use(earlier=n)) for n in (0, 1, 2)] == ["", "", "max_calls"]


def test_the_arguments_may_have_to_satisfy_a_further_schema() -> None:
    spec = tool(arguments={"properties": {"task": {"pattern": "(?i)plan"}}})
    assert gate(spec, use()) == ""
    hint = admit(spec, use("Something else"))
    assert isinstance(hint, Hint)
    assert hint.gate == "arguments"
    assert "task" in hint.text


PNG = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("media", "used", "admitted"),
    [
        ("image", use(), False),
        ("image", use(TASK, Image(PNG)), True),
        ("image", use(TASK, ToolResult("c", (Image(PNG),))), True),
        ("image", use(background=PNG), True),
        ("image", use(background="https://example.com/a.JPEG?size=2"), True),
        ("image", use(background="https://example.com/page.html"), False),
        ("image", use(background="see https://example.com/a.png"), False),
        ("image", use(TASK, File("data:application/pdf;base64,AAAA", "a.pdf")), False),
        ("file", use(TASK, File("data:application/pdf;base64,AAAA", "a.pdf")), True),
        ("file", use(background="https://example.com/a.pdf"), True),
        ("file", use(TASK, Image(PNG)), False),
        ("any", use(TASK, Image(PNG)), True),
        ("any", use(TASK, File("file-123", "a.pdf")), True),
        ("any", use(), False),
    ],
)
def test_media_may_have_to_be_there(media: str, used: ToolUse, admitted: bool) -> None:
    assert gate(tool(media=media), used) == ("" if admitted else "media")


def test_the_runs_limits_close_gates_too() -> None:
    assert gate(tool(), use(allowance=Allowance(panels=1, seconds=1.0))) == ""
    assert gate(tool(), use(allowance=Allowance(panels=0))) == "max_panels_per_run"
    assert gate(tool(), use(allowance=Allowance(seconds=0.9))) == "max_seconds"


def test_what_is_too_dear_is_told_by_its_limit() -> None:
    assert unaffordable("cost_usd").gate == "max_cost_usd"
    assert unaffordable("tokens").gate == "max_tokens"
    assert unaffordable("cost_usd", unpriced=True).gate == "unpriced"


def test_every_condition_must_hold() -> None:
    spec = tool(media="image", min_length={"task": 1000}, max_calls=1)
    assert gate(spec, use(earlier=1)) == "max_calls"
    assert gate(spec, use()) == "min_length"
    assert gate(spec, use("x" * 1000)) == "media"
    assert gate(spec, use("x" * 1000, Image(PNG))) == ""
