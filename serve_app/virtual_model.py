"""A virtual model: answers runs of one workflow, in one of two places.

`shared`: as a plain object in the gateway's own replicas (`VirtualModel`): no process and no hop, for many small
models. `dedicated`: the same object in a Serve deployment of its own (`DedicatedModel`), with its own replicas and
scaling; the gateway reaches it through a handle, in batches of events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ray import serve

from actors.conversation import Conversations
from actors.models.factory import ModelFactory
from actors.runs.embedded import embedded_url
from actors.runs.parts import Cluster, connect
from actors.runs.quotas import start_quotas
from actors.voices import Voices
from cluster import metrics, observability, roles
from cluster.instruments import RUNS_ACTIVE
from cluster.settings import secret
from serve_app.coalesce import coalesced
from workflows.answer import AnswerEvent, RunRequest
from workflows.spec import WorkflowSpec


class VirtualModel:
    """One workflow, ready to answer in this process."""

    def __init__(self, spec: WorkflowSpec, cluster: Cluster, version: int = 0) -> None:
        self._models = ModelFactory(secrets=secret, embedded_url=embedded_url)
        self._journal = cluster.journal
        self._conversations = Conversations(
            spec,
            Voices(spec, self._models, cluster.turnstile),
            cluster.panels,
            cluster.crediting,
            cluster.journal,
            version=version,
        )
        if any(model.limits for model in spec.models.values()):
            start_quotas()
        self._forget = metrics.watch(
            RUNS_ACTIVE, lambda: self._conversations.active, {"virtual_model": spec.name}
        )

    def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Answer one request; closing the iterator cancels the run."""
        self._journal.beat()
        return self._conversations.answer(run)

    async def aclose(self) -> None:
        """Close the connections to the providers."""
        self._forget()
        await self._models.aclose()


class DedicatedModel:
    """A virtual model in replicas of its own."""

    def __init__(self, spec: WorkflowSpec, version: int) -> None:
        observability.setup("virtual-model")
        self._model = VirtualModel(spec, connect(), version)

    async def ready(self) -> None:
        """Return: this replica answers."""

    async def answer(self, run: RunRequest) -> AsyncGenerator[list[AnswerEvent], None]:
        """Answer one request, in batches of events; the caller's cancellation arrives here as such."""
        async with aclosing(coalesced(self._model.answer(run))) as batches:
            async for batch in batches:
                yield batch


dedicated_model: serve.Deployment = serve.deployment(**roles.VIRTUAL_MODEL.options())(DedicatedModel)
"""The deployment, to be bound."""
