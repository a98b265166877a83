"""The tools of a workflow file: a panel's branches, how they are collected, and their synthesis."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from workflows.policy import Collect, Hedge
from workflows.spec_parts import Alias, Duration, ExampleSpec, Name, Strict, Template, refuse

_TAKEN = frozenset({"synthesis", "repair"})
"""Names of a panel's other steps."""


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
    """First to be left out when money or tokens are short (`limits`)."""
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


class HedgeSpec(Strict):
    """See `workflows.policy.Hedge`."""

    after: Duration = Field(description="How slow a branch must be before a second copy of it starts.")
    max_share: float = Field(default=0.1, gt=0, le=1, description="Of all branches, over all runs.")

    def policy(self) -> Hedge:
        """Return the policy."""
        return Hedge(self.after, self.max_share)


class PanelSpec(Strict):
    """How many of the branches are asked."""

    start: int = Field(ge=2)
    """Ask the first so many; the others only when these disagree, or when too few of them answer."""
    grow_when_disagree: bool = True
    """false: ask the others only when too few answered."""
    agreement: float = Field(default=0.7, gt=0, le=1)
    """Answers that agree less than this (0 to 1; by their wording, results and contradictions) disagree."""


class WhenSpec(Strict):
    """Conditions of a call. When one fails, nothing is asked, and the main LLM gets a hint that it can act on."""

    arguments: dict[str, Any] | None = None
    """A JSON Schema that the arguments must satisfy, beside `input_schema`."""
    media: Literal["image", "file", "any"] | None = None
    """An argument or the conversation must have an image, a file, or either."""
    min_length: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Characters that an argument must have at least, by its name."""
    max_calls: int | None = Field(default=None, ge=1)
    """How often the tool may be carried out in one run."""


class SynthesisSpec(Strict):
    """The LLM that merges the branches' answers."""

    model: Alias
    """An alias from `models`; best one that is not in the panel: models prefer what sounds like them."""
    prompt: Template | None = None
    """Left out: the shipped prompt for `output`. One of your own prints {{ task }} and {{ evidence }}."""
    output: Literal["analysis", "answer"] = "analysis"
    """analysis: it compares the answers and the main LLM writes. answer: it writes the answer, which the main LLM
    passes on."""
    skip_when_agreement: float | None = Field(default=None, gt=0, le=1)
    """When the answers agree at least this much (0 to 1), pass on the one that stands for all, without a synthesis."""
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
    when: WhenSpec | None = None
    branches: tuple[BranchSpec, ...] = Field(min_length=1, max_length=32)
    panel: PanelSpec | None = Field(default=None, description="Left out: all branches are asked at once.")
    collect: CollectSpec = CollectSpec()
    hedge: HedgeSpec | None = Field(default=None, description="Start a second copy of a slow branch.")
    synthesis: SynthesisSpec

    @model_validator(mode="after")
    def _branch_names(self) -> FusionToolSpec:
        names = [branch.name for branch in self.branches]
        refuse(
            "branch_name",
            [
                (("branches", i, "name"), _refusal(name, names[:i]))
                for i, name in enumerate(names)
                if name in _TAKEN or name in names[:i]
            ],
        )
        return self


def _default_model_input_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "task": {"type": "string", "description": "The complete, self-contained task or question."},
            "images": {
                "type": "array",
                "items": {"type": "string"},
                "description": "References to pictures of the conversation, such as `image 1`; left out: the latest.",
            },
        },
        "required": ["task"],
        "additionalProperties": False,
    }


class ModelToolSpec(Strict):
    """A mounted tool that asks one LLM: a vision model for a main LLM that reads text, a specialist."""

    mode: Literal["model"]
    description: str = Field(min_length=1)
    """What the main LLM is told: when to call the tool, and when not."""
    trigger: Literal["auto", "always", "never"] = "auto"
    input_schema: dict[str, Any] = Field(default_factory=_default_model_input_schema)
    """A JSON Schema of type object. Left out: task (required) and images."""
    when: WhenSpec | None = None
    model: Alias
    """An alias from `models`."""
    prompt: Template = "{{ task }}"
    system: str | None = None
    examples: tuple[ExampleSpec, ...] = ()
    images: bool = False
    """The main LLM sees `[image 1]` in place of a picture and passes the reference; this LLM gets the picture."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: Duration = 90.0


_MODES = ("fusion", "model")


def _mode(told: Any) -> str:
    """The mode whose shape a tool is held to: the one that it says, the nearest, or fusion.

    A mistake in the mode itself must not hide the others.
    """
    said = told.get("mode") if isinstance(told, dict) else getattr(told, "mode", None)
    return next(iter(get_close_matches(str(said), _MODES, n=1)), _MODES[0])


ToolSpec: TypeAlias = Annotated[
    Annotated[FusionToolSpec, Tag("fusion")] | Annotated[ModelToolSpec, Tag("model")], Discriminator(_mode)
]
"""Every mode of a mounted tool."""


def _refusal(name: str, before: list[str]) -> str:
    if name in before:
        return "another branch has the same name"
    return f"a branch cannot be called `{name}`; that step's name is taken"
