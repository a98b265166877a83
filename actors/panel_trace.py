"""The trace of one panel: a span for the tool's call, the attempts at its calls below it, and what happened as events.

Attempts are made elsewhere and put their own spans there: each says which branch it is of, which try, and how long it
waited for its turn. What has no attempt of its own to tell it, a call that failed or was stopped, is an event here.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from actors import spans
from actors.collect import Pending, usable
from actors.orders import CallOrder, PanelOrder
from cluster import semconv
from workflows.errors import StellaratorError
from workflows.flow import Call, Cancelled, Failed, Outcome, ToolOutcome
from workflows.policy import Collect


class PanelTrace:
    """The span of one panel that is being carried out.

    Attributes:
        context: the W3C context for the spans of attempts.

    """

    def __init__(self, order: PanelOrder) -> None:
        self._tool = spans.tool(order)
        self.context = spans.carrier(self._tool) or order.traceparent
        self._under_way: dict[str, Call] = {}
        self._has_begun = False
        self._attempts = 0
        self._awaited = 0

    def fans_out(self, policy: Collect) -> None:
        """Calls are about to be made, of which so many answers are enough."""
        if not self._has_begun:
            self._tool.add_event(semconv.GATE_DECIDED, {"stellarator.gate.open": True})
        self._has_begun = True
        self._awaited = policy.quorum

    def begins(self, call: Call) -> None:
        """A call is ordered."""
        self._under_way[call.step_id] = call
        if call.name == "repair":
            self._tool.add_event(semconv.SYNTHESIS_REPAIR)

    def tries(self, pending: Pending, order: CallOrder) -> Pending:
        """Some process is making an attempt at a call."""
        self._attempts += 1
        return Watched(pending, order)

    def ends(self, call: Call, outcome: Outcome) -> None:
        """A call has its outcome."""
        self._under_way.pop(call.step_id, None)
        attempts = 1 + len(outcome.tried)
        match outcome:
            case Cancelled(reason=reason):
                self._stopped(call, reason, attempts)
            case Failed(failure=failure):
                told = semconv.call(call.name, call.kind, attempts=attempts) | semconv.error(failure.code)
                self._tool.add_event(semconv.CALL_FAILED, told)
            case _ if call.kind == "branch" and usable(outcome):
                self._awaited -= 1
                if not self._awaited:
                    self._tool.add_event(semconv.QUORUM_REACHED, semconv.call(call.name, call.kind))

    def finished(self, outcome: ToolOutcome) -> None:
        """The tool has its outcome."""
        if gate := outcome.detail.get("gate"):
            self._tool.add_event(
                semconv.GATE_DECIDED, {"stellarator.gate.open": False, "stellarator.gate": str(gate)}
            )
        if outcome.status == "degraded":
            self._tool.add_event(semconv.PANEL_DEGRADED, _why(outcome.detail))
        self._abandon("failed")
        spans.end_tool(self._tool, outcome, self._attempts)

    def cancelled(self, reason: str) -> None:
        """Nobody waits for the tool any more."""
        self._abandon(reason)
        spans.end_cancelled(self._tool, reason)

    def _stopped(self, call: Call, reason: str, attempts: int | None = None) -> None:
        told = semconv.call(call.name, call.kind, attempts=attempts) | {"stellarator.reason": reason}
        self._tool.add_event(semconv.STRAGGLER_CANCELLED, told)

    def _abandon(self, reason: str) -> None:
        for call in self._under_way.values():
            self._stopped(call, reason)


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
