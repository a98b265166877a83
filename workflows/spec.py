"""The workflow file: its shape, strictly.

A workflow names its models once (`models`), says which one answers (`main`) and which tools are mounted on it
(`tools`). Unknown keys and undefined names are refused; `workflows.loading` turns pydantic's errors into problems
with file and line. What is well-formed but unwise is `workflows.lint`'s business, and what a prompt may mention is
in `workflows.variables`.

The docstrings below fields are the descriptions that editors show (`workflows.schema`). This module knows nothing
about files, YAML, Ray or providers.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

from pydantic import Field, model_validator

from workflows.policy import Retry
from workflows.spec_deployment import AutoscalingSpec, Deployment, DeploymentSpec, ResourcesSpec
from workflows.spec_parts import (
    Alias,
    Duration,
    ExampleSpec,
    ModelLimitsSpec,
    ModelSpec,
    Name,
    Place,
    PriceSpec,
    Strict,
    ToolName,
    refuse,
)
from workflows.spec_tools import (
    BranchSpec,
    CollectSpec,
    FusionToolSpec,
    ModelToolSpec,
    PanelSpec,
    SynthesisSpec,
    ToolSpec,
    WhenSpec,
)

__all__ = [
    "AutoscalingSpec",
    "BranchSpec",
    "CollectSpec",
    "DeploymentSpec",
    "Duration",
    "ExampleSpec",
    "FusionToolSpec",
    "LimitsSpec",
    "MainSpec",
    "ModelLimitsSpec",
    "ModelSpec",
    "ModelToolSpec",
    "PanelSpec",
    "Place",
    "PriceSpec",
    "ResourcesSpec",
    "RetrySpec",
    "Strict",
    "SynthesisSpec",
    "ToolSpec",
    "WhenSpec",
    "WorkflowSpec",
]


class RetrySpec(Strict):
    """See `workflows.policy.Retry`."""

    attempts: int = Field(default=2, ge=1, le=10, description="On each model, the first included.")
    base: Duration = 0.5
    cap: Duration = Field(
        default=10.0,
        description="The longest wait. A provider that asks for a longer one is given up for the fallbacks, and without "
        "any the client is told to come back then.",
    )

    def policy(self) -> Retry:
        """Return the policy."""
        return Retry(self.attempts, self.base, self.cap)


class MainSpec(Strict):
    """The LLM that the client talks to."""

    model: Alias
    """An alias from `models`."""
    system: str | None = None
    """Its system prompt: plain text, not a template. A client's own comes after it."""
    examples: tuple[ExampleSpec, ...] = ()
    tools: tuple[ToolName, ...] = ()
    """Mounted tools; none: a pass-through model."""


class LimitsSpec(Strict):
    """Bounds of one run: a panel shrinks to what is left of them, and the last of it goes to the main LLM's answer."""

    max_cost_usd: float | None = Field(default=None, gt=0)
    """US dollars. Needs a price for every model: its `price`, or LiteLLM's."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens read and written by all calls together."""
    max_seconds: Duration | None = None
    """No panel begins or lasts longer; an answer that is being written is not cut off."""
    max_panels_per_run: int | None = Field(default=None, ge=1)
    max_silence: Duration = Field(default=600.0, gt=0)
    """For how long the main LLM may say nothing: then the attempt has failed, and the next one follows as long as
    the client has seen nothing of it. Panels have `collect` for that."""

    max_tool_rounds: int = Field(default=8, ge=1, le=64)
    """Turns in which the main LLM may call mounted tools."""

    @property
    def reckoned(self) -> bool:
        """Whether it matters what a run has used."""
        return any(bound is not None for bound in (self.max_cost_usd, self.max_tokens, self.max_seconds))


class WorkflowSpec(Strict):
    """A fusion workflow: published, it answers under one model name."""

    version: Literal[1]
    """Version of the file's format."""
    name: Name
    """The model name that clients call, unless another is given when it is published."""
    description: str = ""
    models: dict[Alias, ModelSpec] = Field(min_length=1)
    """Every model, by alias. The only place that names providers."""
    main: MainSpec
    tools: dict[ToolName, ToolSpec] = Field(default_factory=dict)
    """Definitions of tools, by name; `main.tools` mounts them."""
    limits: LimitsSpec = LimitsSpec()
    retry: RetrySpec = RetrySpec()
    deployment: Deployment = "dedicated"
    """dedicated: its own Serve replicas; shared: lives in the gateway's replicas; an object says how it scales."""

    @property
    def hosting(self) -> DeploymentSpec:
        """Where it lives and how it scales, with every default."""
        told = self.deployment
        return told if isinstance(told, DeploymentSpec) else DeploymentSpec(mode=told)

    @property
    def mounted(self) -> dict[str, ToolSpec]:
        """The tools that the main LLM has, by name, without those that are never triggered."""
        return {n: self.tools[n] for n in self.main.tools if self.tools[n].trigger != "never"}

    @property
    def panels(self) -> dict[str, FusionToolSpec]:
        """The tools that convene a panel, by name."""
        return {name: tool for name, tool in self.tools.items() if isinstance(tool, FusionToolSpec)}

    def aliases(self) -> tuple[tuple[Place, str], ...]:
        """Every place that names a model alias, with the alias: main, fallbacks, branches, syntheses."""
        found: list[tuple[Place, str]] = [(("main", "model"), self.main.model)]
        for name, model in self.models.items():
            found += [(("models", name, "fallbacks", i), alias) for i, alias in enumerate(model.fallbacks)]
        for name, tool in self.tools.items():
            if isinstance(tool, ModelToolSpec):
                found.append((("tools", name, "model"), tool.model))
                continue
            found += [(("tools", name, "branches", i, "model"), b.model) for i, b in enumerate(tool.branches)]
            found.append((("tools", name, "synthesis", "model"), tool.synthesis.model))
        return tuple(found)

    @model_validator(mode="after")
    def _references(self) -> WorkflowSpec:
        undefined = [
            (place, _undefined(alias, "models", self.models))
            for place, alias in self.aliases()
            if alias not in self.models
        ]
        undefined += [
            (("main", "tools", i), _undefined(name, "tools", self.tools))
            for i, name in enumerate(self.main.tools)
            if name not in self.tools
        ]
        refuse("undefined_name", undefined)
        return self


def _undefined(name: str, key: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"`{name}` is not defined under `{key}`{hint}"
