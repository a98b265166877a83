"""``GET /api/models/{name}``: what is behind a virtual model's name, for people and programs; no secrets."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from serve_app.api.shapes import VirtualModelShown
from serve_app.bodies import Json
from serve_app.hosting import Host
from workflows.spec import ModelSpec, ModelToolSpec, ToolSpec, WorkflowSpec


def api_models_router(host: Host) -> APIRouter:
    """The description of a virtual model."""
    router = APIRouter(tags=["Stellarator"])

    @router.get("/api/models/{name}", response_model=None, responses={200: {"model": VirtualModelShown}})
    async def describe_model(name: str) -> Response:
        """A virtual model's main LLM, mounted tools, branches and models."""
        spec = host.workflow(name)
        published = next((model for model in host.names() if model.name == name), None)
        version = {"version": published.version, "hash": published.hash} if published else {}
        return Json({**describe(spec), **version})

    return router


def describe(spec: WorkflowSpec) -> dict[str, Any]:
    """A workflow without its prompts, addresses, headers and keys.

    Only fields named here are shown: what a workflow file may hold in future is not shown by accident.
    """
    return {
        "name": spec.name,
        "description": spec.description,
        "main": {"model": spec.main.model, "tools": list(spec.main.tools)},
        "tools": {name: _tool(tool) for name, tool in spec.tools.items()},
        "models": {alias: _model(model) for alias, model in spec.models.items()},
        "limits": spec.limits.model_dump(),
        "deployment": spec.hosting.model_dump(),
    }


def _tool(tool: ToolSpec) -> dict[str, Any]:
    told: dict[str, Any] = {
        "mode": tool.mode,
        "description": tool.description,
        "trigger": tool.trigger,
        "input_schema": tool.input_schema,
        "when": tool.when.model_dump() if tool.when else None,
    }
    if isinstance(tool, ModelToolSpec):
        return {**told, "model": tool.model, "images": tool.images}
    return {
        **told,
        "branches": [
            {"name": branch.name, "model": branch.model, "optional": branch.optional}
            for branch in tool.branches
        ],
        "panel": tool.panel.model_dump() if tool.panel else None,
        "collect": tool.collect.model_dump(),
        "synthesis": {
            "model": tool.synthesis.model,
            "output": tool.synthesis.output,
            "skip_when_agreement": tool.synthesis.skip_when_agreement,
        },
    }


def _model(model: ModelSpec) -> dict[str, Any]:
    return {
        "provider": model.kind,
        "model": model.model,
        "fallbacks": list(model.fallbacks),
        "temperature": model.temperature,
        "max_tokens": model.max_tokens,
        "reasoning_effort": model.reasoning_effort,
        "context_window": model.context_window,
    }
