"""One line when a run ends, and one for each step that failed; figures and codes, never what was said."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from workflows.events import (
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFailed,
    StepStarted,
)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RunLog:
    """Writes the lines of one run. `virtual_model` is the workflow's name."""

    virtual_model: str
    _begun: RunStarted | None = None
    _steps: dict[str, StepStarted] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        """Write what is worth a line."""
        match event:
            case RunStarted():
                self._begun = event
            case StepStarted():
                self._steps[event.step_id] = event
            case StepFailed():
                self._step_failed(event)
            case RunFinished():
                usage = event.total_usage
                tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
                log.info(
                    "run ok",
                    extra=self._run(event.at, "ok", panel=event.panel, cost_usd=event.cost_usd, **tokens),
                )
            case RunFailed(failure=failure):
                log.warning(
                    "run failed: %s", failure.code, extra=self._run(event.at, "failed", code=failure.code)
                )
            case RunCancelled(reason=reason):
                log.info("run cancelled: %s", reason, extra=self._run(event.at, "cancelled", reason=reason))
            case _:
                return

    def _step_failed(self, event: StepFailed) -> None:
        step = self._steps.get(event.step_id)
        if step is not None and step.step_kind == "main":  # the run's own line says it
            return
        log.warning(
            "step failed: %s",
            event.failure.code,
            extra={
                "run_id": event.run_id,
                "step_id": event.step_id,
                "virtual_model": self.virtual_model,
                "kind": step.step_kind if step else "tool",
                "model": event.model,
                "code": event.failure.code,
                "seconds": round(event.seconds, 3),
            },
        )

    def _run(self, at: float, status: str, **figures: object) -> dict[str, object]:
        begun = self._begun
        return {
            "virtual_model": self.virtual_model,
            "protocol": begun.protocol if begun else "",
            "status": status,
            "seconds": round(at - begun.at, 3) if begun else None,
            **figures,
        }
