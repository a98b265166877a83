"""The workflows and the upstream's script that the benchmarks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BRANCHES = ("broad", "risks", "diverse")
STEP_S = 0.1
"""What every model call takes; a fusion run makes four of them one after another."""

PACE_S = 0.02
"""Between two chunks of the model `paced`."""

NAP_S = 3.0
"""What a call of the model `napper` takes."""

CRITICAL_PATH_S = 4 * STEP_S
CALLS = len(BRANCHES) + 3
ANSWER = "The plan is sound, when the quality gates come first. " * 8
DRAFT = "Split along the seams of the data, not of the teams. Measure before and after. " * 6
ANALYSIS = {
    "consensus": ["Measure before and after."],
    "contradictions": [],
    "partial_coverage": [],
    "unique_insights": [],
    "blind_spots": ["Who is on call?"],
    "advice": "Start with the quality gates.",
    "confidence": 0.8,
}


def rules(step: float = STEP_S) -> list[dict[str, Any]]:
    """What the upstream does: each call takes `step` seconds."""
    call = {"name": "review", "arguments": {"task": "Review the plan"}}
    return [
        {"match": {"model": "draft"}, "answer": DRAFT, "delay": step, "chunks": 8},
        {"match": {"model": "judge"}, "json": ANALYSIS, "delay": step},
        {"match": {"model": "echo"}, "answer": ANSWER, "chunks": 32},
        {"match": {"model": "napper"}, "answer": DRAFT, "delay": NAP_S},
        {"match": {"model": "paced"}, "answer": ANSWER, "chunks": 16, "pace": PACE_S},
        {"match": {"model": "sleeper"}, "answer": DRAFT, "delay": 5.0},
        {"match": {"model": "held"}, "answer": DRAFT, "delay": 3600},
        {"match": {"has_result": True}, "answer": ANSWER, "delay": step, "chunks": 32},
        {"match": {"has_tool": "review"}, "tool_calls": [call], "delay": step},
    ]


def tail(model: str, seed: int, longest: str = "12s") -> dict[str, Any]:
    """A model with a heavy tail; the n-th call is as slow for every model of the same seed."""
    drawn = {"pareto": {"min": "100ms", "alpha": 1.0, "max": longest}, "seed": seed}
    return {"match": {"model": model}, "answer": "Sound.", "delay": drawn}


def fusion(name: str, base_url: str, models: Sequence[str] = ("draft",) * 3, **fields: Any) -> dict[str, Any]:
    """A panel with one branch for each of `models`, that waits for all."""
    used = {"main", "judge", *models}
    tool: Mapping[str, Any] = {
        "mode": "fusion",
        "description": "Convenes the review panel.",
        "branches": [
            {"name": f"branch{number}", "model": model, "prompt": "{{ task }}", **fields.get("branch", {})}
            for number, model in enumerate(models)
        ],
        "collect": {"quorum": len(models), "timeout": "120s", "deadline": "150s"},
        "synthesis": {"model": "judge"},
        **fields.get("tool", {}),
    }
    return {
        "version": 1,
        "name": name,
        "description": "A panel.",
        "models": {alias: {"model": alias, "base_url": base_url} for alias in sorted(used)},
        "main": {"model": "main", "tools": ["review"]},
        "tools": {"review": dict(tool)},
        "deployment": fields.get("deployment", "shared"),
    }


def pass_through(name: str, base_url: str, model: str = "echo", deployment: str = "shared") -> dict[str, Any]:
    """One model without a panel."""
    return {
        "version": 1,
        "name": name,
        "description": "One model.",
        "models": {"main": {"model": model, "base_url": base_url}},
        "main": {"model": "main"},
        "deployment": deployment,
    }
