"""The parameters that a workflow gives a model, as a request has them."""

from __future__ import annotations

from workflows.messages import Sampling
from workflows.spec import ModelSpec


def defaults(spec: ModelSpec) -> Sampling:
    """The parameters that the workflow gives a model."""
    return Sampling(
        temperature=spec.temperature,
        top_p=spec.top_p,
        max_tokens=spec.max_tokens,
        seed=spec.seed,
        reasoning_effort=spec.reasoning_effort,
        extra=spec.extra,
    )
