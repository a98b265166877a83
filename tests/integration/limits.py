"""Virtual models whose providers' accounts are limited."""

from __future__ import annotations

from typing import Any

from workflows.spec import WorkflowSpec

RATIONED, METERED, SCARCE = "rationed", "metered", "scarce"
TOGETHER = 2
"""Calls of the rationed model that may be under way at once, by the strictest of what its workflows say."""
PER_MINUTE = 4
"""Calls of the metered model."""
HOLD = "Hold the line"
"""Said to the scarce model, of which one call may be under way at a time: it talks for minutes."""

_PATIENT = {"quorum": 3, "timeout": "170s", "deadline": "170s"}
_RATIONED = {"max_parallel_requests": TOGETHER, "max_wait": "170s"}
_METERED = {"rpm": PER_MINUTE, "max_wait": 0}
_SCARCE = {"max_parallel_requests": 1, "max_wait": 0}

PANELS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "rationed-three": (
        (RATIONED,) * 3,
        {"collect": _PATIENT, "one_model": {RATIONED: {"limits": _RATIONED}}},
    ),
    "metered-three": ((METERED,) * 3, {"one_model": {METERED: {"limits": _METERED}}}),
    "scarce-first": (
        (SCARCE, "fast", "fast"),
        {
            "collect": {"quorum": 3},
            "fallbacks": {SCARCE: ["fast"]},
            "one_model": {SCARCE: {"limits": _SCARCE}},
        },
    ),
}
"""As `tests.integration.panels.PANELS`."""


def published(base_url: str) -> list[WorkflowSpec]:
    """Those whose main LLM is limited."""
    calmer = _RATIONED | {"max_parallel_requests": TOGETHER + 2}
    return [
        _pass_through("rationed-alone", base_url, RATIONED, calmer),
        _pass_through("metered-alone", base_url, METERED, _METERED),
        _pass_through("scarce-alone", base_url, SCARCE, _SCARCE),
    ]


def rules() -> list[dict[str, Any]]:
    """What the upstream does for them."""
    return [
        {"match": {"model": RATIONED}, "answer": "In my turn.", "delay": 0.3},
        {"match": {"model": METERED}, "answer": "Within the limit."},
        {
            "match": {"model": SCARCE, "contains": HOLD},
            "answer": "word " * 3000,
            "chunks": 3000,
            "pace": 0.05,
        },
        {"match": {"model": SCARCE}, "answer": "Within the limit."},
    ]


def _pass_through(name: str, base_url: str, model: str, limits: dict[str, Any]) -> WorkflowSpec:
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": name,
            "models": {"main": {"model": model, "base_url": base_url, "limits": limits}},
            "main": {"model": "main"},
            "deployment": "shared",
        }
    )
