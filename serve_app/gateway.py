"""The gateway: the Serve ingress deployment behind every door.

It brings the real `Host` and `Records` to `serve_app.web`: virtual models in this process or behind handles, and
the journal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from time import time
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from actors.runs.errors import translated
from actors.runs.parts import connect
from cluster import observability, roles
from cluster.settings import Settings
from serve_app.auth import ensure_key, key_file
from serve_app.hosting import Limits, PublishedModel
from serve_app.virtual_model import VirtualModel
from serve_app.web import web_app
from workflows.answer import AnswerEvent, RunRequest
from workflows.errors import Overloaded, ReplicaLost, UnknownVirtualModel
from workflows.spec import WorkflowSpec


class RayHost:
    """Virtual models on Ray."""

    def __init__(
        self,
        specs: Sequence[WorkflowSpec],
        shared: Mapping[str, VirtualModel],
        dedicated: Mapping[str, DeploymentHandle[Any]],
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._shared = shared
        self._dedicated = dedicated
        self._since = int(time())

    def names(self) -> tuple[PublishedModel, ...]:
        """Every published virtual model."""
        return tuple(
            PublishedModel(name, spec.description, self._since) for name, spec in self._specs.items()
        )

    def workflow(self, name: str) -> WorkflowSpec:
        """The workflow under that name."""
        if name not in self._specs:
            raise UnknownVirtualModel(name, tuple(self._specs))
        return self._specs[name]

    async def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Run it, here or where it lives."""
        self.workflow(run.virtual_model)
        model = self._shared.get(run.virtual_model)
        events = model.answer(run) if model else _remote(self._dedicated[run.virtual_model], run)
        async with aclosing(events):
            async for event in events:
                yield event


async def _remote(handle: DeploymentHandle[Any], run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    """Read a dedicated model's batches; nobody cancels for us behind the fast ingress, so we always do."""
    response: Any = handle.options(stream=True).answer.remote(run)
    try:
        async with translated(ReplicaLost):
            async for batch in response:
                for event in batch:
                    yield event
    except BackPressureError as error:
        raise Overloaded from error
    finally:
        response.cancel()


@serve.ingress()
class Gateway:
    """One replica of the gateway."""

    def __init__(self, specs: list[WorkflowSpec], dedicated: dict[str, DeploymentHandle[Any]]) -> None:
        observability.setup("gateway")
        self._settings = Settings.from_env()
        cluster = connect()
        shared = {spec.name: VirtualModel(spec, cluster) for spec in specs if spec.name not in dedicated}
        self._host = RayHost(specs, shared, dedicated)
        self._records = cluster.journal

    def __serve_build_asgi_app__(self) -> FastAPI:  # Serve's hook for an app that needs handles
        key, _ = ensure_key(key_file(self._settings), self._settings.api_key)
        limits = Limits(max_body_bytes=self._settings.max_body_bytes, progress=self._settings.progress)
        return web_app(self._host, self._records, key, limits, self._settings.jaeger_url)


gateway: serve.Deployment = serve.deployment(**roles.GATEWAY.options())(Gateway)
"""The deployment, to be bound."""
