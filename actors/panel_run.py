"""Drive one call of a mounted tool, most often a panel: perform the steps that its flow yields.

The driver is where fan-out, journal, replay and cancellation meet, so that no flow has to know of them. A step
that the journal already has is not performed again: its recorded outcome is sent to the flow.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from actors.attempts import Attempts, Plan
from actors.collect import Pending, collect, sent
from actors.limited import client_of
from actors.orders import CallOrder, PanelOrder
from actors.panel_trace import PanelTrace
from actors.perform import failure_of
from actors.recorder import Recorder
from workflows.errors import Failure
from workflows.flow import (
    Call,
    Cancelled,
    Collected,
    FanOut,
    Outcome,
    Reckon,
    Returned,
    ToolOutcome,
    UseTools,
    advance,
)
from workflows.messages import Text, ToolResult
from workflows.mounted import carry_out
from workflows.policy import Collect, HedgeAllowance
from workflows.resume import Earlier, Known
from workflows.spec import FusionToolSpec

SLACK_SECONDS = 5.0
"""How much later than its timeout a call may still be heard of."""


class Lanes(Protocol):
    """Where calls are made."""

    async def order(self, order: CallOrder) -> Pending:
        """Have a call made; return at once."""


class Recorded:
    """A call whose outcome the journal already has."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    async def result(self) -> Outcome:
        """The recorded outcome."""
        return self._outcome

    def stop(self, reason: str) -> None:
        """Nothing is under way."""

    def cancel(self) -> None:
        """Nothing is under way."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a panel need not do again.

    Attributes:
        steps: what the journal has of the run.
        held: the steps that lanes still know, by the names of their attempts.
    """

    steps: Earlier = Earlier()
    held: frozenset[str] = frozenset()

    def joins(self, step_id: str) -> bool:
        """Whether a lane still makes this call, or has made it."""
        return any(held.partition("#")[0].removesuffix("~") == step_id for held in self.held)

    def before(self, step_id: str) -> Known:
        """What was tried: where a call is joined it goes on behind that, else it begins anew and only keeps account."""
        known = self.steps.known(step_id)
        return known if self.joins(step_id) else Known(tried=known.tried)

    def lost(self, step_id: str) -> bool:
        """Whether it was under way and nobody knows what became of it."""
        return self.steps.known(step_id).under_way and not self.joins(step_id)


class PanelRun:
    """One panel being carried out."""

    def __init__(
        self,
        order: PanelOrder,
        lanes: Lanes,
        recorder: Recorder,
        earlier: Resumption,
        allowance: HedgeAllowance,
    ) -> None:
        self._order = order
        self._lanes = lanes
        self._recorder = recorder
        self._earlier = earlier
        self._allowance = allowance
        self._trace: PanelTrace
        self._open: dict[str, tuple[Call, float]] = {}

    async def run(self) -> ToolOutcome:
        """Carry the panel out; every way in which it can go wrong but cancellation is a `ToolOutcome`."""
        use = self._order.use
        began = monotonic()
        if recorded := self._earlier.steps.carried_out(use):
            return recorded
        self._recorder.tool_started(use)
        self._trace = PanelTrace(self._order)
        try:
            outcome = await self._drive()
        except asyncio.CancelledError:
            self._abandon("client")
            self._recorder.step_cancelled(use.step_id, "client", monotonic() - began)
            self._trace.cancelled("client")
            raise
        except Exception as error:  # noqa: BLE001  # a bug in a panel costs the panel, not the run
            self._abandon("failed")
            outcome = broken(use.call.id, failure_of(error))
        self._trace.finished(outcome)
        await self._recorder.tool_ended(use, outcome, monotonic() - began)
        return outcome

    async def _drive(self) -> ToolOutcome:
        flow = carry_out(self._order.workflow, self._order.use, self._order.seed, self._order.facts)
        step = advance(flow)
        while not isinstance(step, Returned):
            match step:
                case FanOut(calls, policy):
                    step = advance(flow, await self._fan_out(calls, policy))
                case Call():
                    step = advance(flow, await self._ask(step))
                case UseTools() | Reckon():
                    raise AssertionError("a mounted tool has no tools and no run of its own")
        return step.value

    async def _fan_out(self, calls: tuple[Call, ...], policy: Collect) -> Collected:
        await self._recorder.safe()
        self._trace.fans_out(policy)
        flying = await asyncio.gather(*(self._begin(call) for call in calls))
        return await collect(list(zip(calls, flying, strict=True)), policy, self._ended)

    async def _ask(self, call: Call) -> Outcome:
        """One call is a fan-out of one."""
        # The lane keeps the timeout; the deadline is for a lane that does not answer any more.
        deadline = float("inf") if call.timeout is None else call.timeout + SLACK_SECONDS
        patience = Collect(quorum=1, grace=0.0, timeout=call.timeout or 0.0, deadline=deadline)
        return (await self._fan_out((call,), patience)).outcomes[0]

    async def _begin(self, call: Call) -> Pending:
        if recorded := self._earlier.steps.answered(call):
            return Recorded(recorded)
        if self._earlier.lost(call.step_id):
            self._recorder.attempt_ended(call, f"{self._order.life}.unknown", unknown(call))
        self._recorder.call_started(call)
        self._trace.begins(call)
        self._open[call.step_id] = (call, monotonic())
        return Attempts(call, self._plan(call), self._attempt, self._recorder)

    async def _attempt(self, call: Call) -> Pending:
        workflow = self._order.workflow
        order = CallOrder(
            self._order.run_id,
            call,
            workflow.models[call.model],
            self._trace.context,
            workflow=workflow.name,
            client=client_of(self._order.use.conversation),
        )
        return self._trace.tries(await self._lanes.order(order), order)

    def _plan(self, call: Call) -> Plan:
        spec = self._order.workflow
        tool = spec.tools[self._order.use.tool]
        hedge = tool.hedge if isinstance(tool, FusionToolSpec) and call.kind == "branch" else None
        return Plan(
            (call.model, *spec.models[call.model].fallbacks),
            spec.retry.policy(),
            hedge.policy() if hedge else None,
            self._allowance,
            self._earlier.before(call.step_id),
        )

    def _ended(self, call: Call, outcome: Outcome) -> None:
        if self._open.pop(call.step_id, None):
            self._trace.ends(call, outcome)
            self._recorder.call_ended(outcome)

    def _abandon(self, reason: str) -> None:
        """Record the calls that were stopped with us."""
        for call, began in self._open.values():
            self._recorder.step_cancelled(call.step_id, reason, monotonic() - began, sent(call))


def broken(call_id: str, failure: Failure) -> ToolOutcome:
    """The outcome of a tool that could not be carried out; the main LLM is told and answers alone."""
    text = f"The tool could not be carried out ({failure.message}). Answer without it."
    result = ToolResult(call_id, (Text(text),), is_error=True)
    return ToolOutcome(result, "failed", detail={"failure": failure.code, "message": failure.message})


def unknown(call: Call) -> Cancelled:
    """The record of a call that was under way when its driver died: what it sent may have been paid."""
    return Cancelled(call.step_id, "unknown", 0.0, sent(call), call.model)
