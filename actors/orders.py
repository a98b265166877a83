"""What one process asks another to do: frozen, picklable orders.

An order carries everything that is needed to carry it out, so that any process can: the models that may be
called (never a key: only the name of the environment variable that holds it), the trace context and the lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workflows.flow import Call, ToolUse
from workflows.spec import ModelSpec, WorkflowSpec


@dataclass(frozen=True, slots=True)
class CallOrder:
    """Make one LLM call.

    Attributes:
        run_id: together with the call's step id the identity of this call: it is made once.
        call: what to ask which alias.
        models: the alias and its fallbacks.
        traceparent: the W3C context of the span that this call belongs under.
        lease: seconds for which the call may go on without word from whoever ordered it.
    """

    run_id: str
    call: Call
    models: Mapping[str, ModelSpec]
    traceparent: str = ""
    lease: float = 10.0


@dataclass(frozen=True, slots=True)
class PanelOrder:
    """Carry out one call of a mounted tool. `seed` decides the candidates' order, the same on every replay."""

    run_id: str
    use: ToolUse
    workflow: WorkflowSpec
    seed: int
    traceparent: str = ""


def needed_models(models: Mapping[str, ModelSpec], alias: str) -> dict[str, ModelSpec]:
    """The alias and everything it may fall back to, so that an order stays small."""
    found: dict[str, ModelSpec] = {}
    waiting = [alias]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = models[name]
            waiting += models[name].fallbacks
    return found
