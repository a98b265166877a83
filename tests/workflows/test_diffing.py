"""What differs between two versions of a workflow."""

from __future__ import annotations

from typing import Any

from tests.workflows.publishing import pass_through
from workflows.diffing import Change, diff
from workflows.spec import WorkflowSpec


def panel(*branches: tuple[str, str], **synthesis: Any) -> WorkflowSpec:
    return pass_through(
        "panel",
        "m",
        main={"model": "main", "tools": ["review"]},
        tools={
            "review": {
                "mode": "fusion",
                "description": "Reviews.",
                "branches": [{"name": name, "model": "main", "prompt": prompt} for name, prompt in branches],
                "synthesis": {"model": "main", **synthesis},
            }
        },
    )


def test_the_same_workflow_has_no_differences() -> None:
    assert diff(panel(("a", "{{ task }}")), panel(("a", "{{ task }}"))) == ()


def test_a_changed_key_is_named_with_both_values() -> None:
    assert diff(pass_through("x", "old"), pass_through("x", "new")) == (
        Change("models.main.model", "changed", "old", "new"),
    )


def test_a_default_that_is_written_out_is_no_difference_and_another_value_is_added() -> None:
    plain = panel(("a", "{{ task }}"))
    assert diff(plain, panel(("a", "{{ task }}"), output="analysis")) == ()
    assert diff(plain, panel(("a", "{{ task }}"), output="answer")) == (
        Change("tools.review.synthesis.output", "added", None, "answer"),
    )


def test_branches_are_compared_by_name() -> None:
    before, after = panel(("a", "{{ task }}")), panel(("b", "{{ task }}"), ("a", "{{ task }}!"))
    assert diff(before, after) == (
        Change(
            "tools.review.branches.b", "added", None, {"name": "b", "model": "main", "prompt": "{{ task }}"}
        ),
        Change("tools.review.branches.a.prompt", "changed", "{{ task }}", "{{ task }}!"),
    )
    assert [(change.where, change.kind) for change in diff(after, before)] == [
        ("tools.review.branches.a.prompt", "changed"),
        ("tools.review.branches.b", "removed"),
    ]


def test_another_order_of_branches_is_a_change() -> None:
    a, b = ("a", "{{ task }}"), ("b", "{{ task }}")
    assert diff(panel(a, b), panel(b, a)) == (
        Change("tools.review.branches", "changed", ["a", "b"], ["b", "a"]),
    )
