"""What one process asks another to do: frozen, picklable orders.

An order carries everything that is needed to carry it out, so that any process can: the model that is to be
called (never a key: only the name of the environment variable that holds it), the trace context and the lease.
"""

from __future__ import annotations

from dataclasses import dataclass

from workflows.flow import Call, ToolUse
from workflows.spec import ModelSpec, WorkflowSpec


@dataclass(frozen=True, slots=True)
class CallOrder:
    """Make one LLM call.

    Attributes:
        run_id: together with the call's step id the identity of this call: it is made once.
        call: what to ask which alias.
        model: what the call's alias stands for.
        traceparent: the W3C context of the span that this call belongs under.
        lease: seconds for which the call may go on without word from whoever ordered it.
    """

    run_id: str
    call: Call
    model: ModelSpec
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
