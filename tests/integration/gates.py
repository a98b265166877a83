"""Virtual models whose panels are gated: by money, tokens, time, conditions, and by how much the answers agree."""

from __future__ import annotations

from typing import Any

WRITTEN = "The plan holds, with two conditions."
PASSED_ON = "As the panel wrote: the plan holds."
BOUNDED = {"max_tokens": 1000, "price": {"input": 1, "output": 1}}
"""A thousand tokens for a thousandth of a dollar, and what was read besides."""

FAST = ("fast", "fast", "fast")

PANELS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "short-of-money": (
        FAST,
        {"limits": {"max_cost_usd": 0.017}, "each_model": BOUNDED, "optional": "diverse"},
    ),
    "out-of-money": (FAST, {"limits": {"max_cost_usd": 0.0065}, "each_model": BOUNDED}),
    "no-money-at-all": (FAST, {"limits": {"max_cost_usd": 0.00001}, "each_model": BOUNDED}),
    "unpriced": (FAST, {"limits": {"max_cost_usd": 1}}),
    "one-panel": (FAST, {"limits": {"max_panels_per_run": 1}, "main": "eager"}),
    "once-only": (FAST, {"tool": {"when": {"max_calls": 1}}, "main": "eager"}),
    "short-task": (FAST, {"tool": {"when": {"min_length": {"task": 40}}}}),
    "no-picture": (FAST, {"tool": {"when": {"media": "image"}}}),
    "other-task": (FAST, {"tool": {"when": {"arguments": {"properties": {"task": {"pattern": "budget"}}}}}}),
    "in-a-hurry": (("fast", "fast", "hanging"), {"collect": {"quorum": 3}, "limits": {"max_seconds": "5s"}}),
    "agreeing": (
        FAST,
        {"collect": {"quorum": 3}, "tool": {"synthesis": {"model": "judge", "skip_when_agreement": 0.9}}},
    ),
    "adaptive-content": (FAST, {"tool": {"panel": {"start": 2}}}),
    "adaptive-doubtful": (("fast", "doubter", "fast"), {"tool": {"panel": {"start": 2}}}),
    "writing": (FAST, {"tool": {"synthesis": {"model": "writer", "output": "answer"}}}),
}
"""As `tests.integration.panels.PANELS`."""


def rules() -> list[dict[str, Any]]:
    """What the upstream does for them besides."""
    twice = [
        {"name": "problem_review", "arguments": {"task": f"Review the plan, part {part}"}} for part in (1, 2)
    ]
    return [
        {"match": {"model": "doubter"}, "answer": "No, it will fail.", "delay": 0.05},
        {"match": {"model": "writer"}, "answer": WRITTEN},
        {"match": {"has_result": True, "contains": WRITTEN}, "answer": PASSED_ON},
        {"match": {"model": "eager", "has_result": False}, "tool_calls": twice},
    ]
