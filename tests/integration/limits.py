"""Virtual models whose providers' accounts are limited."""

from __future__ import annotations

from typing import Any

from workflows.spec import WorkflowSpec

RATIONED, SCARCE = "rationed", "scarce"
METERED = ("metered-chat", "metered-responses", "metered-messages")
"""One for each door: one request a minute."""
TOGETHER = 2
"""Calls of the rationed model that may be under way at once, by the strictest of what its workflows say."""

_PATIENT = {"timeout": "170s", "deadline": "170s"}

PANELS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "rationed-three": (
        (RATIONED,) * 3,
        {
            "collect": {"quorum": 3, **_PATIENT},
            "one_model": {RATIONED: {"limits": {"max_parallel_requests": TOGETHER, "max_wait": "170s"}}},
        },
    ),
    "scarce-first": (
        (SCARCE, "fast", "fast"),
        {
            "collect": {"quorum": 3},
            "fallbacks": {SCARCE: ["fast"]},
            "one_model": {SCARCE: {"limits": {"rpm": 1}}},
        },
    ),
}
"""As `tests.integration.panels.PANELS`."""


def published(base_url: str) -> list[WorkflowSpec]:
    """Those whose main LLM is limited."""
    calmer = {"max_parallel_requests": TOGETHER + 2, "max_wait": "170s"}
    return [
        _pass_through("rationed-alone", base_url, RATIONED, calmer),
        *(_pass_through(name, base_url, name, {"rpm": 1}) for name in METERED),
    ]


def rules() -> list[dict[str, Any]]:
    """What the upstream does for them."""
    fast = [{"match": {"model": name}, "answer": "Within the limit."} for name in (SCARCE, *METERED)]
    return [{"match": {"model": RATIONED}, "answer": "In my turn.", "delay": 0.3}, *fast]


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
