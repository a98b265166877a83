"""Workflows to publish."""

from __future__ import annotations

from typing import Any

from workflows.spec import WorkflowSpec


def pass_through(name: str, model: str, **more: Any) -> WorkflowSpec:
    """One model under a name, without tools."""
    return WorkflowSpec.model_validate(
        {
            "version": 1,
            "name": name,
            "models": {"main": {"model": model, "base_url": "http://127.0.0.1:9/v1"}},
            "main": {"model": "main"},
            **more,
        }
    )
