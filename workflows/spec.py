"""The workflow file: its shape, strictly.

A workflow names its models once (`models`), says which one answers (`main`) and which tools are mounted on it
(`tools`). Unknown keys and undefined names are refused; `workflows.loading` turns pydantic's errors into problems
with file and line. What is well-formed but unwise is `workflows.lint`'s business, and what a prompt may mention is
in `workflows.variables`.

The docstrings below fields are the descriptions that editors show (`workflows.schema`). This module knows nothing
about files, YAML, Ray or providers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal, LiteralString, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from workflows.policy import Collect, Hedge, Retry

NAME_PATTERN = r"^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*$"
TOOL_NAME_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$"
ALIAS_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$"
VARIABLE_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
ADDRESS_PATTERN = r"^https?://"

DURATION_PATTERN = r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?\s*$"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: object) -> object:
    """Read ``8s``, ``500ms``, ``2m``, ``1h`` or a plain number of seconds."""
    if not isinstance(value, str):
        return value
    match = re.match(DURATION_PATTERN, value)
    if match is None:
        raise ValueError("is not a duration; write 500ms, 8s, 2m, 1h or a number of seconds")
    return float(match[1]) * _SECONDS[match[2] or "s"]


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    Field(ge=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": DURATION_PATTERN},
            ]
        }
    ),
]
"""Seconds; in the file a number, or text with a unit."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
ToolName = Annotated[str, Field(pattern=TOOL_NAME_PATTERN)]
Alias = Annotated[str, Field(pattern=ALIAS_PATTERN)]
Template: TypeAlias = Annotated[str, Field(min_length=1)]
"""A sandboxed Jinja2 template over the tool's arguments and the conversation."""

Provider = Literal["litellm", "openai_compatible", "embedded", "scripted"]
Place: TypeAlias = tuple[str | int, ...]


class Strict(BaseModel):
    """Frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class PriceSpec(Strict):
    """US dollars per million tokens; overrides LiteLLM's price map."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)


class ModelSpec(Strict):
    """One model, under the alias that the rest of the workflow uses."""

    provider: Provider | None = None
    """Left out: `openai_compatible` when `base_url` is given, else `litellm`."""
    model: str = ""
    """The provider's name of the model; LiteLLM's name for provider litellm."""
    base_url: str | None = Field(default=None, pattern=ADDRESS_PATTERN)
    """Address of a server that speaks Chat Completions, up to and including ``/v1``."""
    api_key_env: str | None = Field(default=None, pattern=VARIABLE_PATTERN)
    """Name of the environment variable that holds the key; never the key itself."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Extra headers for openai_compatible. Not for secrets."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens that one answer may have."""
    seed: int | None = None
    reasoning_effort: str | None = None
    """How hard a reasoning model thinks, in the provider's words, for example ``low`` or ``high``."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Passed to the provider as it is."""
    fallbacks: tuple[Alias, ...] = ()
    """Aliases tried in order when this one fails."""
    price: PriceSpec | None = None
    """Needed only where LiteLLM's price map does not know the model."""
    context_window: int | None = Field(default=None, ge=1)
    """Tokens that prompt and answer may have together."""
    script: str | list[dict[str, Any]] | None = None
    """For provider scripted: rules, or the path of a YAML file with them."""

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
    def kind(self) -> Provider:
        """The provider, inferred when it was left out."""
        return self.provider or ("openai_compatible" if self.base_url else "litellm")


class ExampleSpec(Strict):
    """One few-shot pair, shown to the model before the real task. Plain text, not a template."""

    user: str
    assistant: str


class BranchSpec(Strict):
    """One member of a panel: a duty (prompt) and a model. The same model may sit twice."""

    name: Name
    model: Alias
    """An alias from `models`."""
    prompt: Template
    """Its duty: a template over the tool's arguments and the conversation, for example {{ task }}."""
    system: str | None = None
    """Its system prompt: plain text, not a template."""
    examples: tuple[ExampleSpec, ...] = ()
    context: Literal["task", "message", "conversation"] = "message"
    """What it sees beside its prompt: nothing, the last user message, or the whole conversation."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: Duration | None = None
    """Instead of `collect.timeout`."""
    optional: bool = False
    """First to be left out when money is short."""
    resources: dict[str, float] | None = None
    """num_cpus, num_gpus or custom resources: run as a plain Ray task of its own."""


class CollectSpec(Strict):
    """When to stop waiting for the branches."""

    quorum: int = Field(default=2, ge=1)
    """Answers that are enough. A smaller panel needs all of its branches."""
    grace: Duration = 8.0
    """How long to wait for the others once the quorum has answered."""
    timeout: Duration = 90.0
    """How long one branch may take."""
    deadline: Duration = 150.0
    """How long the whole panel may take."""

    def policy(self, branches: int) -> Collect:
        """The policy for a panel of that many branches; the quorum cannot exceed it."""
        return Collect(min(self.quorum, branches), self.grace, self.timeout, self.deadline)


class RetrySpec(Strict):
    """See `workflows.policy.Retry`."""

    attempts: int = Field(default=2, ge=1, le=10, description="On each model, the first included.")
    base: Duration = 0.5
    cap: Duration = 20.0

    def policy(self) -> Retry:
        """Return the policy."""
        return Retry(self.attempts, self.base, self.cap)


class HedgeSpec(Strict):
    """See `workflows.policy.Hedge`."""

    after: Duration = Field(description="How slow a branch must be before a second copy of it starts.")
    max_share: float = Field(default=0.1, gt=0, le=1, description="Of all branches, over all runs.")

    def policy(self) -> Hedge:
        """Return the policy."""
        return Hedge(self.after, self.max_share)


class SynthesisSpec(Strict):
    """The LLM that merges the branches' answers."""

    model: Alias
    """An alias from `models`; best one that is not in the panel: models prefer what sounds like them."""
    prompt: Template | None = None
    """Left out: the shipped synthesis prompt. One of your own prints {{ task }} and {{ evidence }}."""
    examples: tuple[ExampleSpec, ...] = ()
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: Duration = 60.0
    max_candidate_chars: int = Field(default=12_000, ge=200)
    """Longer answers are cut in their middle."""


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
    description: str = Field(min_length=1)
    """What the main LLM is told: when to call the tool, and when not."""
    trigger: Literal["auto", "always", "never"] = "auto"
    """auto: the main LLM decides. always: the panel runs on the last user message before the first answer."""
    input_schema: dict[str, Any] = Field(default_factory=_default_input_schema)
    """A JSON Schema of type object. Left out: task (required) and background."""
    branches: tuple[BranchSpec, ...] = Field(min_length=1, max_length=32)
    collect: CollectSpec = CollectSpec()
    hedge: HedgeSpec | None = Field(default=None, description="Start a second copy of a slow branch.")
    synthesis: SynthesisSpec

    @model_validator(mode="after")
    def _branch_names(self) -> FusionToolSpec:
        names = [branch.name for branch in self.branches]
        _refuse(
            "branch_name",
            [
                (("branches", i, "name"), _refusal(name, names[:i]))
                for i, name in enumerate(names)
                if name == "synthesis" or name in names[:i]
            ],
        )
        return self


ToolSpec: TypeAlias = FusionToolSpec
"""Every mode of a mounted tool (a discriminated union once there is more than one)."""


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
    """Bounds of one run."""

    max_tool_rounds: int = Field(default=8, ge=1, le=64)
    """Turns in which the main LLM may call mounted tools."""


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
    deployment: Literal["dedicated", "shared"] = "dedicated"
    """dedicated: its own Serve replicas; shared: lives in the gateway's replicas."""

    @property
    def mounted(self) -> dict[str, ToolSpec]:
        """The tools that the main LLM has, by name, without those that are never triggered."""
        return {n: self.tools[n] for n in self.main.tools if self.tools[n].trigger != "never"}

    def aliases(self) -> tuple[tuple[Place, str], ...]:
        """Every place that names a model alias, with the alias: main, fallbacks, branches, syntheses."""
        found: list[tuple[Place, str]] = [(("main", "model"), self.main.model)]
        for name, model in self.models.items():
            found += [(("models", name, "fallbacks", i), alias) for i, alias in enumerate(model.fallbacks)]
        for name, tool in self.tools.items():
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
        _refuse("undefined_name", undefined)
        return self


def _refusal(name: str, before: list[str]) -> str:
    if name in before:
        return "another branch has the same name"
    return "a branch cannot be called `synthesis`; that step's name is taken"


def _undefined(name: str, key: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"`{name}` is not defined under `{key}`{hint}"


def _refuse(rule: LiteralString, found: list[tuple[Place, str]]) -> None:
    """Raise pydantic's own error with every place and sentence; pydantic puts the places below the model's."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(rule, "{sentence}", {"sentence": sentence}), loc=place, input=None
        )
        for place, sentence in found
    ]
    if errors:
        raise ValidationError.from_exception_data("workflow", errors)
