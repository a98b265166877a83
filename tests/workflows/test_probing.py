"""What a probe asks of each model, and how its answer is read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.publishing import pass_through
from workflows.errors import Failure
from workflows.flow import Answered, Cancelled, Failed
from workflows.messages import Completion, Message, Part, Text, ToolCall, Usage
from workflows.probing import TOOL, Demand, Probe, ProbeResult, complaint, probes, verdict
from workflows.spec import WorkflowSpec


def panel(trigger: str = "auto", output: str = "analysis", judge: str = "judge") -> WorkflowSpec:
    models: dict[str, Any] = {name: {"model": f"x/{name}"} for name in ("main", "spare", "branch", "judge")}
    models["main"]["fallbacks"] = ["spare"]
    return pass_through(
        "panel",
        "unused",
        models=models,
        main={"model": "main", "tools": ["review"]},
        tools={
            "review": {
                "mode": "fusion",
                "description": "Reviews.",
                "trigger": trigger,
                "branches": [{"name": "a", "model": "branch", "prompt": "{{ task }}"}],
                "synthesis": {"model": judge, "output": output},
            }
        },
    )


def asked(spec: WorkflowSpec) -> list[tuple[str, Demand]]:
    return [(probe.alias, probe.demand) for probe in probes(spec)]


def result(demand: Demand, *parts: Part) -> ProbeResult:
    probe = Probe("main", demand, probes(pass_through("x", "m"))[0].call)
    completion = Completion(Message("assistant", parts), "stop", Usage(), model="m-2026")
    return verdict(probe, "m", Answered("probe/main", completion, 0.2, 0.1, "main"))


def test_each_model_is_asked_for_what_the_workflow_needs_of_it() -> None:
    assert asked(panel()) == [("main", "tool"), ("spare", "tool"), ("branch", "answer"), ("judge", "json")]


def test_a_main_llm_that_need_not_decide_need_not_call_tools() -> None:
    assert asked(panel(trigger="always", output="answer")) == [
        ("main", "answer"),
        ("spare", "answer"),
        ("branch", "answer"),
        ("judge", "answer"),
    ]


def test_a_model_is_asked_once_for_each_thing() -> None:
    assert asked(panel(judge="main")) == [
        ("main", "json"),
        ("main", "tool"),
        ("spare", "json"),
        ("spare", "tool"),
        ("branch", "answer"),
    ]


@pytest.mark.parametrize(
    ("demand", "part", "ok"),
    [
        ("answer", Text("OK"), True),
        ("tool", ToolCall("1", TOOL, "{}"), True),
        ("tool", Text("I would call it."), False),
        ("json", Text('{"ready": true}'), True),
        ("json", Text('```json\n{"ready": true}\n```'), True),
        ("json", Text("Ready!"), False),
    ],
)
def test_an_answer_is_what_was_asked_for_or_not(demand: Demand, part: Part, ok: bool) -> None:
    read = result(demand, part)
    assert (read.ok, read.model) == (ok, "m-2026")
    assert bool(read.message) is not ok


def test_an_empty_answer_is_none() -> None:
    assert not result("answer").ok


def test_a_failure_and_a_silence_are_told_in_a_sentence() -> None:
    (probe,) = probes(pass_through("x", "m"))
    refused = verdict(probe, "m", Failed("probe/main", Failure("upstream_refused", "m: wrong key."), 0.1))
    assert complaint(refused) == "`main` (m): m: wrong key."
    silent = verdict(probe, "m", Cancelled("probe/main", "lease", 30.0))
    assert "no answer within 30 s" in complaint(silent)
