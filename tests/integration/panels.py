"""Virtual models on a scripted upstream: one for each way in which a panel can go."""

from __future__ import annotations

from typing import Any

from tests.integration import gates, hands, limits, versions
from tests.integration.gates import FAST
from workflows.spec import WorkflowSpec

BRANCHES = ("broad", "risks", "diverse")
ADVICE = "Start with the quality gates."
ANSWER = "The plan is sound."
ALONE = "I answer alone."
ANALYSIS = {
    "consensus": ["Playwright helps."],
    "contradictions": [],
    "partial_coverage": [],
    "unique_insights": [],
    "blind_spots": ["flaky tests"],
    "advice": ADVICE,
    "confidence": 0.8,
    "used_candidates": ["A", "B"],
}


def rules() -> list[dict[str, Any]]:
    """What the upstream does, by model name."""
    main: list[dict[str, Any]] = [
        {"match": {"model": "blind", "has_result": True}, "answer": "It is a cat."},
        {
            "match": {"model": "blind", "contains": "[image 1]"},
            "tool_calls": [{"name": "look", "arguments": {"task": "What animal?", "images": ["image 1"]}}],
        },
        {"match": {"model": "eyes"}, "answer": "A cat."},
        {"match": {"model": "dreamy", "has_result": True}, "answer": ANSWER, "delay": 4.0},
        {"match": {"has_result": True, "contains": "gave no answer"}, "answer": ALONE, "chunks": 3},
        {"match": {"has_result": True}, "answer": ANSWER, "chunks": 4},
        {
            "match": {"has_tool": "problem_review", "contains": "plan"},
            "tool_calls": [{"name": "problem_review", "arguments": {"task": "Review the plan"}}],
        },
        {"match": {"model": "main"}, "answer": "Hello from one model.", "chunks": 4},
    ]
    return [
        {"match": {"model": "fast"}, "answer": "Looks fine to me.", "delay": 0.05},
        {"match": {"model": "slow"}, "answer": "Looks fine after some thought.", "delay": 1.0},
        {"match": {"model": "hanging"}, "hang": True},
        {"match": {"model": "thoughtful"}, "answer": "After long thought: fine.", "delay": 6.0},
        {"match": {"model": "busy"}, "times": 1, "fail": {"status": 429, "retry_after": 0.1}},
        {"match": {"model": "busy"}, "answer": "Now I have time: fine."},
        {"match": {"model": "swamped"}, "times": 1, "fail": {"status": 429, "retry_after": 0.1}},
        {"match": {"model": "swamped"}, "answer": "Now I have time: fine."},
        *[heavy_tailed(f"{kind}-{seed}", seed) for kind in ("all", "two") for seed in (1, 2, 3)],
        {"match": {"model": "judge"}, "json": ANALYSIS},
        {"match": {"model": "endless"}, "answer": "word " * 2000, "chunks": 2000, "pace": 0.05},
        *_failing(),
        *gates.rules(),
        *limits.rules(),
        *versions.rules(),
        *hands.rules(),
        *main,
    ]


def _failing() -> list[dict[str, Any]]:
    """Models that fail, each in its own way."""
    return [
        {"match": {"model": "broken"}, "fail": {"status": 500, "message": "boom sk-secret-key-123456"}},
        {"match": {"model": "refused"}, "fail": {"status": 401, "message": "wrong key"}},
        {"match": {"model": "full"}, "fail": {"status": 429, "message": "no room", "retry_after": 17}},
        {"match": {"model": "cut"}, "answer": "This breaks off.", "chunks": 4, "disconnect": True},
        {
            "match": {"model": "brimful"},
            "fail": {"status": 400, "message": "This model's maximum context length is 8192 tokens."},
        },
    ]


def heavy_tailed(model: str, seed: int) -> dict[str, Any]:
    """A model that is fast most of the time; the n-th call is as slow for every model of the same seed."""
    tail = {"pareto": {"min": "100ms", "alpha": 1.0, "max": "12s"}, "seed": seed}
    return {"match": {"model": model}, "answer": f"Fine, says {seed}.", "delay": tail}


def branches(models: tuple[str, ...], **fields: Any) -> list[dict[str, Any]]:
    """A branch for each model, with what all have in common; one may be optional."""
    return [
        {
            "name": branch,
            "model": model,
            "prompt": f"As the {branch} reviewer: {{{{ task }}}}",
            "optional": branch == fields.get("optional"),
            **fields.get("branch", {}),
        }
        for branch, model in zip(BRANCHES, models, strict=False)
    ]


def panel(name: str, base_url: str, models: tuple[str, ...], **fields: Any) -> WorkflowSpec:
    """A virtual model whose branches call these models of the upstream."""
    fallbacks: dict[str, list[str]] = fields.get("fallbacks", {})
    aliases = {
        "main",
        "judge",
        fields.get("main", "main"),
        fields.get("tool", {}).get("synthesis", {}).get("model", "judge"),
        *models,
        *fallbacks,
        *(name for names in fallbacks.values() for name in names),
    }
    collect = {"quorum": 2, "grace": "0.2s", "timeout": "10s", "deadline": "12s", **fields.pop("collect", {})}
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": name,
            "description": "A panel for tests.",
            "models": {
                alias: {"model": alias, "base_url": base_url, "fallbacks": fallbacks.get(alias, [])}
                | fields.get("each_model", {})
                | fields.get("one_model", {}).get(alias, {})
                for alias in sorted(aliases)
            },
            "main": {"model": fields.get("main", "main"), "tools": ["problem_review"]},
            "tools": {
                "problem_review": {
                    "mode": "fusion",
                    "description": "Convenes the review panel.",
                    "branches": branches(models, **fields),
                    "collect": collect,
                    "synthesis": {"model": "judge", "timeout": "10s"},
                    **fields.get("tool", {}),
                }
            },
            "limits": fields.get("limits", {}),
            "deployment": fields.get("deployment", "shared"),
        }
    )


def with_eyes(name: str, base_url: str) -> WorkflowSpec:
    """A main LLM that reads text only, with a model mounted that sees."""
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": name,
            "models": {alias: {"model": alias, "base_url": base_url} for alias in ("blind", "eyes")},
            "main": {"model": "blind", "tools": ["look"]},
            "tools": {"look": {"mode": "model", "description": "Looks.", "model": "eyes", "images": True}},
            "deployment": "shared",
        }
    )


def pass_through(name: str, base_url: str, model: str) -> WorkflowSpec:
    """A virtual model without tools."""
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": name,
            "models": {"main": {"model": model, "base_url": base_url}},
            "main": {"model": "main"},
            "deployment": "shared",
        }
    )


PANELS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "slow-three": (("slow", "slow", "slow"), {"collect": {"quorum": 3}}),
    "one-broken": (("fast", "broken", "fast"), {"collect": {"grace": "8s"}}),
    "one-hanging": (("fast", "fast", "hanging"), {}),
    "past-deadline": (("fast", "hanging", "hanging"), {"collect": {"deadline": "1s", "timeout": "1s"}}),
    "all-broken": (("broken", "broken", "broken"), {}),
    "all-hanging": (("hanging", "hanging", "hanging"), {"collect": {"deadline": "60s", "timeout": "60s"}}),
    "dedicated-three": (("fast", "fast", "fast"), {"deployment": "dedicated"}),
    "own-process": (
        ("fast", "fast"),
        # A process takes seconds to start on a busy machine.
        {"branch": {"resources": {"num_cpus": 0.1}}, "collect": {"timeout": "60s", "deadline": "80s"}},
    ),
    "thoughtful-three": (
        ("thoughtful", "thoughtful", "thoughtful"),
        {"collect": {"quorum": 3, "timeout": "40s", "deadline": "60s"}},
    ),
    "dreamy-answer": (("fast", "fast", "fast"), {"collect": {"quorum": 3}, "main": "dreamy"}),
    "fast-and-thoughtful": (
        ("fast", "fast", "thoughtful"),
        {"collect": {"quorum": 3, "timeout": "40s", "deadline": "60s"}},
    ),
    "first-busy": (("busy", "fast", "fast"), {"collect": {"quorum": 3}}),
    "first-swamped": (("swamped", "fast", "fast"), {"collect": {"quorum": 3}}),
    "refused-first": (
        ("refused", "fast", "fast"),
        {"collect": {"quorum": 3}, "fallbacks": {"refused": ["fast"]}},
    ),
    "hedged": (
        ("hanging", "fast", "fast"),
        {
            "collect": {"quorum": 3},
            "fallbacks": {"hanging": ["fast"]},
            "tool": {"hedge": {"after": "1s", "max_share": 1.0}},
        },
    ),
    "main-silent": (
        FAST,
        {"main": "hanging", "fallbacks": {"hanging": ["main"]}, "limits": {"max_silence": "0.5s"}},
    ),
    "main-down": (FAST, {"main": "broken", "fallbacks": {"broken": ["main"]}}),
    "measured": (("fast", "fast", "hanging"), {"each_model": {"price": {"input": 1000, "output": 1000}}}),
    "tail-wait-for-all": (("all-1", "all-2", "all-3"), {"collect": {"quorum": 3, "timeout": "60s"}}),
    "tail-quorum": (("two-1", "two-2", "two-3"), {"collect": {"grace": "0.1s", "timeout": "60s"}}),
}
"""Panels by name: the models of their branches, and what is special about them."""


def published(base_url: str) -> list[WorkflowSpec]:
    """Every virtual model that the integration tests call."""
    described = PANELS | gates.PANELS | hands.PANELS | limits.PANELS
    panels = [panel(name, base_url, models, **dict(special)) for name, (models, special) in described.items()]
    return [
        *panels,
        *limits.published(base_url),
        with_eyes("with-eyes", base_url),
        pass_through("plain", base_url, "main"),
        pass_through("endless", base_url, "endless"),
        pass_through("refused", base_url, "refused"),
        pass_through("brimful", base_url, "brimful"),
        pass_through("down", base_url, "broken"),
        pass_through("full", base_url, "full"),
        pass_through("cut", base_url, "cut"),
    ]
