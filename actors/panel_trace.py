"""The trace of one panel: a span for the tool's call, one below it for each call, and what happened as events.

A call's span begins with its order and ends with its outcome; its attempts are made elsewhere and put their own spans
below it, so what lies between the two beginnings is queueing.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from opentelemetry.trace import Span

from actors import spans
from actors.collect import Pending, usable
from actors.orders import CallOrder, PanelOrder
from cluster import semconv
from workflows.attempts import attempt_of
from workflows.errors import StellaratorError
from workflows.flow import Call, Cancelled, Outcome, ToolOutcome
from workflows.policy import Collect


class PanelTrace:
    """The spans of one panel that is being carried out."""

    def __init__(self, order: PanelOrder) -> None:
        self._order = order
        self._tool = spans.tool(order)
        self._calls: dict[str, Span] = {}
        self._awaited = 0

    def fans_out(self, policy: Collect) -> None:
        """Calls are about to be made, of which so many answers are enough."""
        if not self._calls:
            self._tool.add_event(semconv.GATE_DECIDED, {"stellarator.gate.open": True})
        self._awaited = policy.quorum

    def begins(self, call: Call) -> None:
        """A call is ordered."""
        if call.name == "repair":
            self._tool.add_event(semconv.SYNTHESIS_REPAIR)
        parent = spans.carrier(self._tool) or self._order.traceparent
        self._calls[call.step_id] = spans.agent(call, self._order.run_id, self._order.workflow.name, parent)

    def parent_of(self, attempt: Call) -> str:
        """The context for an attempt's span."""
        step_id, _, _ = attempt_of(attempt.step_id)
        return spans.carrier(self._calls[step_id]) or self._order.traceparent

    def ends(self, call: Call, outcome: Outcome) -> None:
        """A call has its outcome."""
        if span := self._calls.get(call.step_id):
            spans.end_agent(span, outcome)
        if isinstance(outcome, Cancelled):
            told = {"stellarator.branch": call.name, "stellarator.reason": outcome.reason}
            self._tool.add_event(semconv.STRAGGLER_CANCELLED, told)
        elif call.kind == "branch" and usable(outcome):
            self._awaited -= 1
            if not self._awaited:
                self._tool.add_event(semconv.QUORUM_REACHED, {"stellarator.branch": call.name})

    def finished(self, outcome: ToolOutcome) -> None:
        """The tool has its outcome."""
        if gate := outcome.detail.get("gate"):
            self._tool.add_event(
                semconv.GATE_DECIDED, {"stellarator.gate.open": False, "stellarator.gate": str(gate)}
            )
        if outcome.status == "degraded":
            self._tool.add_event(semconv.PANEL_DEGRADED, _why(outcome.detail))
        self._abandon("failed")
        spans.end_tool(self._tool, outcome)

    def cancelled(self, reason: str) -> None:
        """Nobody waits for the tool any more."""
        self._abandon(reason)
        spans.end_cancelled(self._tool, reason)

    def _abandon(self, reason: str) -> None:
        for span in self._calls.values():
            if span.is_recording():
                spans.end_cancelled(span, reason)


class Watched:
    """A call that some process is making, with a span also when that process is lost."""

    def __init__(self, inner: Pending, order: CallOrder) -> None:
        self._inner = inner
        self._order = order

    def result(self) -> Awaitable[Outcome]:
        """The outcome, once."""
        return self._result()

    def stop(self, reason: str) -> None:
        """Ask for the call to be stopped."""
        self._inner.stop(reason)

    def cancel(self) -> None:
        """Give the call up."""
        self._inner.cancel()

    async def _result(self) -> Outcome:
        try:
            return await self._inner.result()
        except StellaratorError as error:
            spans.lost(self._order, error.failure())
            raise


def _why(detail: dict[str, Any]) -> semconv.Attributes:
    left_out = detail.get("left_out") or {}
    missing = [f"{branch}: {reason}" for branch, reason in left_out.items()]
    return {"stellarator.missing": missing, "stellarator.synthesis": str(detail.get("synthesis", ""))}
