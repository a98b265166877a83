"""Tells the journal what happens in one run, from whichever process it happens in.

An event's id is made of the run, the step and what happened, so a process that repeats itself after a restart
records nothing twice. Another life of the run records under ids of its own, as a step that it does anew may end otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import time
from typing import Any, Protocol

from workflows.answer import AnswerFinished, RunRequest
from workflows.errors import Failure
from workflows.events import (
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepKind,
    StepStarted,
)
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome, ToolOutcome, ToolUse
from workflows.messages import Completion, Usage
from workflows.splicing import HiddenTurns
from workflows.tariff import Tariff


class Journal(Protocol):
    """Where events go."""

    async def append(self, events: Sequence[Event]) -> None:
        """Store events; return when they are safe."""

    def append_soon(self, events: Sequence[Event]) -> None:
        """Store events shortly, in order with everything else from this process; return at once."""


class Recorder:
    """One run's pen. `tariff` prices what calls used that nobody reported; `life` counts the run's lives from 1."""

    def __init__(self, journal: Journal, run_id: str, tariff: Tariff | None = None, life: int = 1) -> None:
        self._journal = journal
        self._run_id = run_id
        self._tariff = tariff or Tariff({})
        self._suffix = f":{life}" if life > 1 else ""
        self._is_safe = True

    def run_started(
        self, run: RunRequest, workflow_hash: str, workflow_version: int, trace_id: str, driver: str
    ) -> None:
        """Record that a request was accepted."""
        self._soon(run_started(run, workflow_hash, workflow_version, trace_id=trace_id, driver=driver))

    async def run_finished(self, answer: AnswerFinished, hidden: HiddenTurns | None = None) -> None:
        """Record the answer, and what it hid from the client; return when it is safe."""
        await self._journal.append(
            [
                RunFinished(
                    id=self._ending,
                    run_id=self._run_id,
                    at=time(),
                    finish_reason=answer.finish_reason,
                    answer=answer.message.text,
                    usage=answer.usage,
                    total_usage=answer.total_usage,
                    cost_usd=answer.cost_usd,
                    panel=answer.panel,
                    hidden=hidden,
                )
            ]
        )

    def run_failed(self, failure: Failure) -> None:
        """Record that the client got an error."""
        self._soon(RunFailed(id=self._ending, run_id=self._run_id, at=time(), failure=failure))

    def run_cancelled(self, reason: str) -> None:
        """Record that the client went away, or the server was stopped."""
        self._soon(RunCancelled(id=self._ending, run_id=self._run_id, at=time(), reason=reason))

    def group_started(self, step_id: str, kind: StepKind, name: str, model: str) -> None:
        """Record the beginning of a step that holds others."""
        self._soon(
            StepStarted(
                id=self._id(step_id, "started"),
                run_id=self._run_id,
                at=time(),
                step_id=step_id,
                parent_id="",
                step_kind=kind,
                name=name,
                model=model,
            )
        )

    def group_finished(self, step_id: str, seconds: float, completion: Completion | None) -> None:
        """Record the end of a step that holds others."""
        self._soon(
            StepFinished(
                id=self._id(step_id, "ended"),
                run_id=self._run_id,
                at=time(),
                step_id=step_id,
                seconds=seconds,
                model=completion.model if completion else "",
            )
        )

    def call_started(self, call: Call) -> None:
        """Record that an LLM call was ordered."""
        self._soon(
            StepStarted(
                id=self._id(call.step_id, "started"),
                run_id=self._run_id,
                at=time(),
                step_id=call.step_id,
                parent_id=call.parent_id,
                step_kind=call.kind,
                name=call.name,
                model=call.model,
                request=call.request,
            )
        )

    def call_ended(self, outcome: Outcome) -> None:
        """Record a call's outcome; wait for `safe` before anything that is paid rests on it."""
        self._is_safe = False
        self._soon(self._ended(outcome))

    async def safe(self) -> None:
        """Return when every outcome recorded so far is committed."""
        if not self._is_safe:
            await self.flush()

    async def flush(self) -> None:
        """Return when everything recorded so far is committed."""
        await self._journal.append(())
        self._is_safe = True

    def attempt_ended(self, call: Call, number: str, outcome: Outcome) -> None:
        """Record an attempt that is not the call's last, as a sub-step of it; `number` may say more behind a dot."""
        step_id = f"{call.step_id}/attempt.{number}"
        self._soon(
            StepStarted(
                id=self._id(step_id, "started"),
                run_id=self._run_id,
                at=time() - outcome.seconds,
                step_id=step_id,
                parent_id=call.step_id,
                step_kind="attempt",
                name=f"attempt {number}",
                model=outcome.model,
            )
        )
        self._soon(self._ended(replace(outcome, step_id=step_id)))

    def tool_started(self, use: ToolUse) -> None:
        """Record that a mounted tool was called."""
        self._soon(
            StepStarted(
                id=self._id(use.step_id, "started"),
                run_id=self._run_id,
                at=time(),
                step_id=use.step_id,
                parent_id=use.parent_id,
                step_kind="tool",
                name=use.tool,
                call=use.call,
            )
        )

    async def tool_ended(self, use: ToolUse, outcome: ToolOutcome, seconds: float) -> None:
        """Record a mounted tool's result; it is safe when this returns."""
        await self._journal.append(
            [
                StepFinished(
                    id=self._id(use.step_id, "ended"),
                    run_id=self._run_id,
                    at=time(),
                    step_id=use.step_id,
                    status="ok" if outcome.status == "ran" else outcome.status,
                    seconds=seconds,
                    result=outcome.result,
                    detail={**outcome.detail, "status": outcome.status},
                )
            ]
        )

    def step_cancelled(self, step_id: str, reason: str, seconds: float, usage: Usage | None = None) -> None:
        """Record that a step was stopped."""
        self._soon(self._ended(Cancelled(step_id, reason, seconds, usage or Usage())))

    def step_failed(self, step_id: str, failure: Failure, seconds: float) -> None:
        """Record that a step ended without a result."""
        self._soon(self._ended(Failed(step_id, failure, seconds)))

    def _ended(self, outcome: Outcome) -> StepFinished | StepFailed | StepCancelled:
        common: dict[str, Any] = {
            "id": self._id(outcome.step_id, "ended"),
            "run_id": self._run_id,
            "at": time(),
            "step_id": outcome.step_id,
            "seconds": outcome.seconds,
        }
        match outcome:
            case Answered(completion=completion):
                return StepFinished(
                    **common,
                    model=completion.model or outcome.model,
                    first_token_seconds=outcome.first_token_seconds,
                    completion=completion,
                )
            case Failed(failure=failure):
                return StepFailed(**common, failure=failure, **self._used(outcome))
            case Cancelled(reason=reason):
                return StepCancelled(**common, reason=reason, **self._used(outcome))

    def _used(self, outcome: Failed | Cancelled) -> dict[str, Any]:
        model, usage = outcome.model, outcome.usage
        return {"model": model, "usage": usage, "cost_usd": self._tariff.cost(model, usage)}

    def _id(self, step_id: str, what: str) -> str:
        return f"{self._run_id}:{step_id}:{what}{self._suffix}"

    @property
    def _ending(self) -> str:
        return f"{self._run_id}:ended{self._suffix}"

    def _soon(self, event: Event) -> None:
        self._journal.append_soon([event])


def run_started(
    run: RunRequest,
    workflow_hash: str,
    workflow_version: int,
    *,
    trace_id: str,
    driver: str,
    workflow: dict[str, Any] | None = None,
) -> RunStarted:
    """The beginning of a run that `driver` answers; with the `workflow` itself when another may have to go on."""
    return RunStarted(
        id=f"{run.run_id}:started",
        run_id=run.run_id,
        at=time(),
        virtual_model=run.virtual_model,
        protocol=run.protocol,
        request=run.request,
        workflow_hash=workflow_hash,
        workflow_version=workflow_version,
        trace_id=trace_id,
        traceparent=run.traceparent if run.kept else "",
        stream=run.stream,
        door=dict(run.door),
        dropped=run.dropped,
        panel=run.panel,
        panel_tool=run.panel_tool,
        depth=run.depth,
        progress=run.progress,
        kept=run.kept,
        fingerprint=run.fingerprint,
        driver=driver,
        workflow=workflow or {},
    )
