"""The workflow file: its shape, strictly.

A workflow names its models once (`models`), says which one answers (`main`) and which tools are mounted on it
(`tools`). Unknown keys are refused (`workflows.loading` turns pydantic's errors into problems with file, line
and the nearest known key); what is well-formed but unwise is `workflows.lint`'s business.

This module knows nothing about files, YAML, Ray or providers.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workflows.policy import Collect

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: object) -> object:
    """Read ``8s``, ``500ms``, ``2m``, ``1h`` or a plain number of seconds."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError("is not a duration; write 500ms, 8s, 2m, 1h or a number of seconds")
    return float(match["number"]) * _SECONDS[match["unit"] or "s"]


Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*$", max_length=64)]
ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$")]
Template: TypeAlias = Annotated[str, Field(min_length=1)]
"""A sandboxed Jinja2 template over the tool's arguments and the conversation."""


class Strict(BaseModel):
    """Frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


class PriceSpec(Strict):
    """US dollars per million tokens; overrides LiteLLM's price map."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)


class ModelSpec(Strict):
    """One model, under the alias that the rest of the workflow uses."""

    provider: Literal["litellm", "openai_compatible", "embedded", "scripted"] | None = Field(
        default=None,
        validate_default=True,
        description="Left out: `openai_compatible` when `base_url` is given, else `litellm`.",
    )
    model: str = Field(default="", description="The provider's name; LiteLLM's name for provider litellm.")
    base_url: str | None = Field(default=None, pattern=r"^https?://")
    api_key_env: str | None = Field(
        default=None, description="Name of the environment variable with the key."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Extra headers for openai_compatible.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    reasoning_effort: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict, description="Passed to the provider as it is.")
    fallbacks: tuple[str, ...] = Field(default=(), description="Aliases tried in order when this one fails.")
    price: PriceSpec | None = None
    context_window: int | None = Field(default=None, ge=1)
    script: str | list[dict[str, Any]] | None = Field(
        default=None, description="For provider scripted: rules, or the path of a YAML file with them."
    )

    @model_validator(mode="after")
    def _complete(self) -> ModelSpec:
        if self.provider == "scripted":
            if self.script is None:
                raise ValueError("`script` is needed by provider scripted")
        elif not self.model:
            raise ValueError("`model` is needed: the provider's name of the model")
        if self.provider == "openai_compatible" and self.base_url is None:
            raise ValueError("`base_url` is needed by provider openai_compatible")
        return self

    @property
    def kind(self) -> Literal["litellm", "openai_compatible", "embedded", "scripted"]:
        """The provider, inferred when it was left out."""
        return self.provider or ("openai_compatible" if self.base_url else "litellm")


class ExampleSpec(Strict):
    """One few-shot pair, shown to the model before the real task."""

    user: str
    assistant: str


class BranchSpec(Strict):
    """One member of a panel: a duty (prompt) and a model. The same model may sit twice."""

    name: Name
    model: str
    prompt: Template
    system: str | None = None
    examples: tuple[ExampleSpec, ...] = ()
    context: Literal["task", "message", "conversation"] = Field(
        default="message",
        description="What it sees beside its prompt: nothing, the last user message, or the whole conversation.",
    )
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: Duration | None = None
    optional: bool = Field(default=False, description="First to be left out when money is short.")
    resources: dict[str, float] | None = Field(
        default=None,
        description="num_cpus, num_gpus or custom resources: run as a plain Ray task of its own.",
    )


class CollectSpec(Strict):
    """See `workflows.policy.Collect`."""

    quorum: int = Field(default=2, ge=1)
    grace: Duration = 8.0
    timeout: Duration = 90.0
    deadline: Duration = 150.0

    def policy(self, branches: int) -> Collect:
        """The policy for a panel of that many branches; the quorum cannot exceed it."""
        return Collect(min(self.quorum, branches), self.grace, self.timeout, self.deadline)


class SynthesisSpec(Strict):
    """The LLM that merges the branches' answers."""

    model: str
    prompt: Template | None = Field(default=None, description="Left out: the shipped synthesis prompt.")
    examples: tuple[ExampleSpec, ...] = ()
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: Duration = 60.0
    max_candidate_chars: int = Field(default=12_000, ge=200)


def _default_input_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "task": {"type": "string", "description": "The complete, self-contained task for the panel."},
            "background": {"type": "string", "description": "Facts and constraints that the panel needs."},
        },
        "required": ["task"],
        "additionalProperties": False,
    }


class FusionToolSpec(Strict):
    """A mounted tool that convenes a panel."""

    mode: Literal["fusion"]
    description: str = Field(min_length=1, description="What the main LLM is told: when to call it.")
    trigger: Literal["auto", "always", "never"] = "auto"
    input_schema: dict[str, Any] = Field(default_factory=_default_input_schema)
    branches: tuple[BranchSpec, ...] = Field(min_length=1, max_length=32)
    collect: CollectSpec = CollectSpec()
    synthesis: SynthesisSpec

    @model_validator(mode="after")
    def _unique_branches(self) -> FusionToolSpec:
        names = [branch.name for branch in self.branches]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"branch names must differ: {', '.join(twice)}")
        if "synthesis" in names:
            raise ValueError("a branch cannot be called `synthesis`; that step's name is taken")
        return self


ToolSpec: TypeAlias = FusionToolSpec
"""Every mode of a mounted tool (a discriminated union once there is more than one)."""


class MainSpec(Strict):
    """The LLM that the client talks to."""

    model: str
    system: str | None = None
    examples: tuple[ExampleSpec, ...] = ()
    tools: tuple[ToolName, ...] = Field(default=(), description="Mounted tools; none: a pass-through model.")


class LimitsSpec(Strict):
    """Bounds of one run."""

    max_tool_rounds: int = Field(default=8, ge=1, le=64)


class WorkflowSpec(Strict):
    """A workflow file."""

    version: Literal[1]
    name: Name
    description: str = ""
    models: dict[str, ModelSpec] = Field(min_length=1)
    main: MainSpec
    tools: dict[ToolName, ToolSpec] = Field(default_factory=dict)
    limits: LimitsSpec = LimitsSpec()
    deployment: Literal["dedicated", "shared"] = Field(
        default="dedicated",
        description="dedicated: its own Serve replicas; shared: lives in the gateway's replicas.",
    )

    @property
    def mounted(self) -> dict[str, ToolSpec]:
        """The tools that the main LLM has, by name, without those that are never triggered."""
        return {n: self.tools[n] for n in self.main.tools if self.tools[n].trigger != "never"}

    @model_validator(mode="after")
    def _references(self) -> WorkflowSpec:
        for where, alias in self._aliases():
            if alias not in self.models:
                raise ValueError(f"{where}: `{alias}` is not defined under `models`")
        for name in self.main.tools:
            if name not in self.tools:
                raise ValueError(f"main.tools: `{name}` is not defined under `tools`")
        return self

    def _aliases(self) -> list[tuple[str, str]]:
        """Every place that names a model alias, with the alias."""
        found = [("main.model", self.main.model)]
        for name, model in self.models.items():
            found += [(f"models.{name}.fallbacks", alias) for alias in model.fallbacks]
        for name, tool in self.tools.items():
            found += [(f"tools.{name}.branches.{i}.model", b.model) for i, b in enumerate(tool.branches)]
            found.append((f"tools.{name}.synthesis.model", tool.synthesis.model))
        return found
