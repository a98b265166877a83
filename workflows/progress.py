"""What happens in a mounted tool's call, as short lines for people who wait for the answer.

A pure fold of the journal's events. A line names branches, models, seconds and error codes; never a prompt, an
answer, or an error's message, which may quote either.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflows.candidates import judge
from workflows.events import Event, StepCancelled, StepFailed, StepFinished, StepStarted
from workflows.spec import FusionToolSpec, WorkflowSpec


class Narrator:
    """Tells the story of one call of a mounted tool, event by event."""

    def __init__(self, spec: WorkflowSpec, tool: str) -> None:
        self._models = {alias: model.model.rpartition("/")[2] for alias, model in spec.models.items()}
        self._tool = spec.tools[tool]
        self._steps: dict[str, StepStarted] = {}
        self._open: set[str] = set()
        self._answered = 0

    def tell(self, event: Event) -> Iterator[str]:
        """The lines for one event; most often one, or none."""
        match event:
            case StepStarted():
                self._steps[event.step_id] = event
                yield from self._begun(event)
            case StepFinished() | StepFailed() | StepCancelled():
                if step := self._steps.get(event.step_id):
                    yield from self._ended(step, event)
            case _:
                return

    def _begun(self, step: StepStarted) -> Iterator[str]:
        match step.step_kind:
            case "tool":
                yield f"{step.name} begins"
            case "branch":
                self._open.add(step.step_id)
                yield f"{self._named(step)} thinks"
            case "synthesis" if step.name == "repair":
                yield f"{self._named(step)} brings the synthesis into form"
            case "synthesis":
                yield f"{self._named(step)} reads {_counted(self._answered, 'answer')}"
            case _:
                return

    def _ended(self, step: StepStarted, event: StepFinished | StepFailed | StepCancelled) -> Iterator[str]:
        self._open.discard(step.step_id)
        match event:
            case StepFinished() if step.step_kind == "tool":
                yield f"{step.name} {_TOOL_ENDS[event.status]} after {event.seconds:.1f} s"
            case StepFinished() if step.step_kind == "branch":
                yield from self._answer(step, event)
            case StepFinished() if step.step_kind == "synthesis":
                yield f"{step.name} is ready after {event.seconds:.1f} s"
            case StepFailed() if step.step_kind == "attempt" and step.parent_id in self._steps:
                yield f"{self._steps[step.parent_id].name} failed ({event.failure.code}), another attempt follows"
            case StepFailed() if step.step_kind != "attempt":
                yield f"{step.name} failed ({event.failure.code})"
            case StepCancelled() if step.step_kind != "attempt":
                yield f"{step.name} stopped"
            case _:
                return

    def _answer(self, step: StepStarted, event: StepFinished) -> Iterator[str]:
        if event.completion is None or not judge(event.completion).usable:
            yield f"{step.name} gave no usable answer"
            return
        self._answered += 1
        yield f"{step.name} answered in {event.seconds:.1f} s"
        if not isinstance(self._tool, FusionToolSpec):
            return
        asked = self._answered + len(self._open)
        collect = self._tool.collect.policy(asked)
        if self._open and self._answered == collect.quorum and collect.grace:
            yield f"{self._answered} of {asked} answered, waiting up to {collect.grace:g} s for the rest"

    def _named(self, step: StepStarted) -> str:
        model = self._models.get(step.model, "")
        return f"{step.name} ({model})" if model else step.name


_TOOL_ENDS = {"ok": "is done", "degraded": "is done, degraded,", "failed": "failed", "skipped": "was skipped"}


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
