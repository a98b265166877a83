"""Where a virtual model lives and how it scales: `deployment` in a workflow file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from workflows.spec_parts import Strict, refuse

Mode = Literal["dedicated", "shared"]


class AutoscalingSpec(Strict):
    """How many replicas there are, by how many requests are under way."""

    min_replicas: int = Field(default=1, ge=0)
    """0: no process while nobody asks; the first request then waits for one to start, some seconds."""
    max_replicas: int = Field(default=1, ge=1)
    target_ongoing_requests: float = Field(default=50, gt=0)
    """Requests under way for each replica; more of them start another one, up to `max_replicas`."""


class ResourcesSpec(Strict):
    """What each replica reserves of a node."""

    num_cpus: float = Field(default=0.1, ge=0)
    """Small, because a replica waits for models most of the time."""
    num_gpus: float = Field(default=0, ge=0)
    memory: int | None = Field(default=None, ge=1)
    """Bytes."""
    custom: dict[str, float] = Field(default_factory=dict)
    """Ray's custom resources, by name."""


class DeploymentSpec(Strict):
    """Replicas of its own, scaled apart from every other virtual model; or a place in the gateway's replicas."""

    mode: Mode = "dedicated"
    autoscaling: AutoscalingSpec = AutoscalingSpec()
    max_ongoing_requests: int = Field(default=1000, ge=1)
    """Requests under way at once in each replica."""
    max_queued_requests: int = Field(default=1000, ge=0)
    """Requests that may wait for a replica, in each of the gateway's; one more gets 429 with Retry-After."""
    resources: ResourcesSpec = ResourcesSpec()

    @model_validator(mode="after")
    def _makes_sense(self) -> DeploymentSpec:
        own = sorted(self.model_fields_set - {"mode"}) if self.mode == "shared" else []
        message = "has no effect on a shared model; it lives in the gateway's replicas"
        refuse("no_effect", [((key,), message) for key in own])
        scaling = self.autoscaling
        if scaling.min_replicas > scaling.max_replicas:
            told = f"must be at most `max_replicas`, which is {scaling.max_replicas}"
            refuse("replicas", [(("autoscaling", "min_replicas"), told)])
        return self


def _form(told: Any) -> str:
    return "object" if isinstance(told, dict | DeploymentSpec) else "word"


Deployment: TypeAlias = Annotated[
    Annotated[Mode, Tag("word")] | Annotated[DeploymentSpec, Tag("object")], Discriminator(_form)
]
"""One word, or the word with how it scales."""
