"""What the scripted models do behind `fusion-review` when a real client talks to it."""

from __future__ import annotations

from typing import Any

from serve_app.cli.render.connection import QUESTION
from tests.integration.panels import ADVICE, ANALYSIS
from workflows import catalog
from workflows.spec import WorkflowSpec

TEMPLATE = "fusion-review"
PANEL = "problem_review"
BRANCHES = ("broad", "critic", "diverse")

NOTE, SECRET = "note.txt", "heliotrope-4711"
ASK_FOR_NOTE = f"Tell me the word in {NOTE}, with a tool of yours."
SOUND = "The plan is sound."
FOUND = f"The word is {SECRET}, and the panel agrees."

SHELLS: dict[str, dict[str, Any]] = {
    "Bash": {"command": f"cat {NOTE}", "description": "Read the note"},
    "bash": {"command": f"cat {NOTE}", "description": "Read the note"},
    "exec_command": {"cmd": f"cat {NOTE}"},
    "run_shell_command": {"command": f"cat {NOTE}", "is_background": False},
    "run_commands": {"commands": [f"cat {NOTE}"]},
}
"""The tool by which each client runs a command, with the arguments that it wants."""


def rules() -> list[dict[str, Any]]:
    """A plan goes to the panel; the note is read with the client's own tool, and then the panel is convened as well."""
    convene = [{"name": PANEL, "arguments": {"task": "Review the plan"}}]
    return [
        *[{"match": {"model": branch}, "answer": f"{branch}: fine."} for branch in BRANCHES],
        {"match": {"wants_json": True, "has_tool": PANEL}, "json": ANALYSIS},
        {"match": {"contains": ADVICE, "anywhere": SECRET}, "answer": FOUND, "chunks": 4},
        {"match": {"contains": ADVICE}, "answer": SOUND, "chunks": 4},
        {"match": {"contains": SECRET, "has_tool": PANEL}, "tool_calls": convene},
        {"match": {"has_result": True}, "answer": "The tool told nothing."},
        *[
            {
                "match": {"anywhere": ASK_FOR_NOTE, "has_tool": tool},
                "tool_calls": [{"name": tool, "arguments": arguments}],
            }
            for tool, arguments in SHELLS.items()
        ],
        {"match": {"anywhere": QUESTION, "has_tool": PANEL}, "tool_calls": convene},
        {"match": {"wants_json": True}, "json": ANALYSIS},
        {"answer": "Hello from one model."},
    ]


def workflow(base_url: str) -> WorkflowSpec:
    """The shipped template with every model on that upstream."""
    spec = catalog.template(TEMPLATE).model_dump(mode="json", exclude_defaults=True, by_alias=True)
    spec["models"] = {alias: {"model": alias, "base_url": base_url} for alias in spec["models"]}
    return WorkflowSpec.model_validate(spec)
