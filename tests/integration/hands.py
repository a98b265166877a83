"""Virtual models whose main LLM also calls a tool of its client: beside the panel, or after it."""

from __future__ import annotations

from typing import Any

from tests.integration.gates import FAST

CONTENT = "the file's content"
BOTH_SAY = "The panel and the file agree."
PANEL_CALL = {"name": "problem_review", "arguments": {"task": "Review the plan"}, "id": "own-panel"}
READ_CALL = {"name": "read_file", "arguments": {"path": "a.txt"}, "id": "own-read"}

PANELS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "hands-at-once": (FAST, {"main": "at-once"}),
    "hands-at-once-elsewhere": (FAST, {"main": "at-once"}),
    "hands-afterwards": (FAST, {"main": "afterwards"}),
    "hands-always": (FAST, {"main": "only-reads", "tool": {"trigger": "always"}}),
}
"""As `tests.integration.panels.PANELS`."""


def rules() -> list[dict[str, Any]]:
    """What the upstream does for them besides."""
    return [
        *[
            {"match": {"model": model, "has_result": True, "contains": CONTENT}, "answer": BOTH_SAY}
            for model in ("at-once", "afterwards", "only-reads")
        ],
        {"match": {"model": "at-once"}, "answer": "Let me look.", "tool_calls": [PANEL_CALL, READ_CALL]},
        {
            "match": {"model": "afterwards", "has_result": True},
            "answer": "Now the file.",
            "tool_calls": [READ_CALL],
        },
        {"match": {"model": "afterwards"}, "answer": "The panel first.", "tool_calls": [PANEL_CALL]},
        {"match": {"model": "only-reads"}, "tool_calls": [READ_CALL]},
    ]
