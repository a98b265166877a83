"""The models of a workflow's main LLM, as they speak to clients.

One that falls silent has failed, and one that limits hold for waits for its turn.
"""

from __future__ import annotations

from opentelemetry.trace import Span

from actors import spans
from actors.limited import Limited, claim, client_of
from actors.models.base import ChatModel
from actors.models.factory import ModelFactory, load_for_main
from actors.models.wrappers import Impatient
from actors.turnstile import Turnstile
from workflows.flow import Call
from workflows.spec import WorkflowSpec


class Voices:
    """The models of one workflow in one process."""

    def __init__(self, spec: WorkflowSpec, models: ModelFactory, turnstile: Turnstile) -> None:
        load_for_main(spec)
        self._spec = spec
        self._models = models
        self._turnstile = turnstile

    def of(self, call: Call, run_id: str, span: Span) -> ChatModel:
        """The model that a call names; `span` is the call's."""
        model = self._spec.models[call.model]
        name = model.model or call.model
        patient = Impatient(self._models.model(model), self._spec.limits.max_silence, name)
        if model.limits is None:
            return patient
        wanted = claim(model, model.limits, call.request, (client_of(call.request), run_id), call.timeout)
        return Limited(patient, self._turnstile, wanted, lambda seconds: spans.queued(span, seconds))
