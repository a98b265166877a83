"""What one process asks another to do: frozen, picklable orders.

An order carries everything that is needed to carry it out, so that any process can: the model that is to be
called (never a key: only the name of the environment variable that holds it), the trace context and the lease.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import time

from workflows.flow import Call, Outcome, ToolUse
from workflows.spec import ModelSpec, WorkflowSpec
from workflows.tariff import Facts


@dataclass(frozen=True, slots=True)
class CallOrder:
    """Make one LLM call.

    Attributes:
        run_id: together with the call's step id the identity of this call: it is made once.
        call: what to ask which alias.
        model: what the call's alias stands for.
        traceparent: the W3C context of the span that this call belongs under.
        lease: seconds for which the call may go on without word from whoever ordered it.
        workflow: the virtual model's name, for its span.
        client: whoever the run is made for, as far as that is known; limits are fair between clients.
        ordered_at: Unix time in seconds; what passes from here to the call's beginning is queueing.
    """

    run_id: str
    call: Call
    model: ModelSpec
    traceparent: str = ""
    lease: float = 10.0
    workflow: str = ""
    client: str = ""
    ordered_at: float = field(default_factory=time)


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop calls of a run; their outcome then is a `Cancelled` with that reason."""

    run_id: str
    step_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything that a process has to tell a lane at one moment.

    Attributes:
        mailbox: the name under which outcomes are kept for the writer.
        heard: how many outcomes have arrived there; the lane forgets those.
        orders: calls to make.
        stops: calls to stop.
        released: runs whose outcomes are safely in the journal.
    """

    mailbox: str
    heard: int = 0
    orders: tuple[CallOrder, ...] = ()
    stops: tuple[Stop, ...] = ()
    released: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Landed:
    """One call that is over."""

    run_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Mail:
    """Outcomes for one mailbox; `place` is how many there have been before these."""

    place: int
    landed: tuple[Landed, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a lane is.

    Attributes:
        in_flight: calls under way.
        room: how many there may be at once.
        busy: the share of one core that its process took since it was last asked.
    """

    in_flight: int
    room: int
    busy: float


@dataclass(frozen=True, slots=True)
class PanelOrder:
    """Carry out one call of a mounted tool.

    Everything that its decisions rest on comes with it, so that they are the same on every replay.

    Attributes:
        run_id: the run's.
        use: the call, with what it may take of the run's limits.
        workflow: that has the tool.
        seed: decides the candidates' order.
        traceparent: the W3C context of the span that this belongs under.
        facts: prices and sizes of the workflow's models, where they are known.
        is_told: whether somebody follows how it is doing (`actors.telling`).
        life: of the run, counted from 1; a later one finds in the journal what the earlier ones finished.
    """

    run_id: str
    use: ToolUse
    workflow: WorkflowSpec
    seed: int
    traceparent: str = ""
    facts: Facts = field(default_factory=dict)
    is_told: bool = False
    life: int = 1
