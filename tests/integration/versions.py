"""Virtual models whose answers say which version gave them."""

from __future__ import annotations

from typing import Any

from workflows.probing import TOOL
from workflows.spec import WorkflowSpec

MOST = 24
SLOWLY = "slowly"
"""In a prompt: the answer takes about three seconds."""


def rules() -> list[dict[str, Any]]:
    """What the upstream does for them, and for a probe."""
    ready = {"ready": True}
    quick = [{"match": {"model": f"v{n}"}, "answer": f"v{n}", "delay": 0.05} for n in range(MOST)]
    slow = [
        {"match": {"model": f"v{n}", "contains": SLOWLY}, "answer": f"v{n} " * 20, "chunks": 20, "pace": 0.15}
        for n in range(MOST)
    ]
    return [{"match": {"has_tool": TOOL}, "tool_calls": [{"name": TOOL, "arguments": ready}]}, *slow, *quick]


def version(name: str, number: int, base_url: str, **deployment: Any) -> WorkflowSpec:
    """A pass-through model that answers with ``v<number>``."""
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": name,
            "models": {"main": {"model": f"v{number}", "base_url": base_url}},
            "main": {"model": "main"},
            "deployment": deployment or "shared",
        }
    )
