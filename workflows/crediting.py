"""From a finished run to what each branch of its panels contributed: picks the texts, `attribution` does the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from workflows.attribution import Attribution, attribute
from workflows.replay import RunView, StepView

_NOT_SAID = {"candidate", "candidates", "used_candidates", "notes", "confidence"}


def contributions(view: RunView) -> Iterator[tuple[str, Attribution]]:
    """The step id and the attribution of every panel of the run of which at least two branches answered."""
    for tool in view.steps:
        if tool.kind != "tool":
            continue
        branches = [
            (step.name, step.output)
            for step in view.steps
            if step.parent_id == tool.step_id and step.kind == "branch" and step.output
        ]
        if len(branches) > 1 and view.answer:
            analysis = "\n".join(_said(tool.detail.get("analysis") or tool.detail.get("written", "")))
            yield tool.step_id, attribute(branches, answer=view.answer, synthesis=analysis, task=_task(tool))


def _task(tool: StepView) -> str:
    """What the branches were asked: the text among the tool's arguments."""
    try:
        arguments = json.loads(tool.call.arguments) if tool.call else {}
    except ValueError:
        return ""
    values = arguments.values() if isinstance(arguments, dict) else ()
    return "\n".join(value for value in values if isinstance(value, str))


def _said(value: Any) -> Iterator[str]:
    """Every text of an analysis in JSON, without the names of who said it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NOT_SAID:
                yield from _said(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _said(inner)
