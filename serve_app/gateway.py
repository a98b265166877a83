"""The gateway: the Serve ingress deployment behind every door.

It brings the real `Host`, `Records` and `Publishing` to `serve_app.web`: virtual models in this process or behind
handles, the journal, and the publisher. It follows the publisher's roll for as long as it lives.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from actors.offers import Offer, Offering
from actors.runs import parts
from actors.runs.errors import translated
from actors.runs.parts import Cluster
from actors.runs.publisher import RemotePublisher
from cluster import observability, roles
from cluster.settings import Settings
from serve_app.apps import ServeApps
from serve_app.auth import ensure_key, key_file
from serve_app.hosting import Limits, PublishedModel
from serve_app.kept import followed, stopped
from serve_app.roster import Home, Roster
from serve_app.virtual_model import VirtualModel
from serve_app.web import web_app
from workflows.answer import AnswerEvent, RunRequest
from workflows.errors import Overloaded, ReplicaLost, StellaratorError
from workflows.spec import WorkflowSpec

log = logging.getLogger(__name__)

POLL_SECONDS = 10.0
"""How long one question for a newer roll waits; also how often a gateway says that it is there."""
AGAIN_SECONDS = 0.5
"""After the publisher could not be reached, or a version not be made ready."""


class RayHost:
    """Virtual models on Ray, as the roster has them."""

    def __init__(self, roster: Roster, cluster: Cluster) -> None:
        self._roster = roster
        self._keepers = cluster.keepers
        self._records = cluster.journal

    def names(self) -> tuple[PublishedModel, ...]:
        """Every published virtual model, in alphabetical order."""
        listed = map(_listed, self._roster.offerings())
        return tuple(sorted(listed, key=lambda model: model.name))

    def workflow(self, name: str) -> WorkflowSpec:
        """The active workflow under that name."""
        return self._roster.find(name).spec

    async def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Run it, here or where it lives."""
        events = self._kept(run) if run.kept else self._roster.answer(run)
        async with aclosing(events):
            async for event in events:
                yield event

    async def keep(self, run: RunRequest) -> None:
        """Have a run driven on its own."""
        offering = self._roster.find(run.virtual_model)
        await self._keepers.keep(run, offering.spec, offering.publication.number)

    def follow(self, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Everything that a kept run says."""
        return followed(self._keepers, self._records, run_id)

    async def stop(self, run_id: str) -> None:
        """Stop a kept run."""
        await stopped(self._keepers, self._records, run_id)

    async def _kept(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        await self.keep(run)
        async with aclosing(self.follow(run.run_id)) as events:
            async for event in events:
                yield event


def _listed(offering: Offering) -> PublishedModel:
    publication = offering.publication
    return PublishedModel(
        publication.virtual_model,
        offering.spec.description,
        int(offering.since),
        publication.number,
        publication.hash,
    )


class RemoteModel:
    """A dedicated version, reached through its application's handle."""

    def __init__(self, offering: Offering) -> None:
        # Not `serve.get_app_handle`: that keeps every handle for good.
        self._handle: DeploymentHandle[Any] = DeploymentHandle(offering.spec.name, offering.app)

    async def ready(self) -> None:
        """Return when a replica answers; the handle knows the replicas then, and the first run need not wait."""
        async with translated(ReplicaLost):
            await self._handle.ready.remote()

    async def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Read its batches; nobody cancels for us behind the fast ingress, so we always do."""
        response: Any = self._handle.options(stream=True).answer.remote(run)
        try:
            async with translated(ReplicaLost):
                async for batch in response:
                    for event in batch:
                        yield event
        except BackPressureError as error:
            raise Overloaded from error
        finally:
            with suppress(BackPressureError):  # to cancel what was refused says once more that it was
                response.cancel()

    async def aclose(self) -> None:
        """Stop following its replicas."""
        await self._handle.shutdown_async()  # type: ignore[no-untyped-call]  # Serve has no types here


@serve.ingress()
class Gateway:
    """One replica of the gateway."""

    def __init__(self, offer: Offer) -> None:
        observability.setup("gateway")
        self._settings = Settings.from_env()
        self._cluster = parts.connect()
        self._publisher = parts.publisher(ServeApps)
        self._follower = Follower(offer, self._publisher, self._cluster)

    async def __serve_build_asgi_app__(self) -> FastAPI:  # Serve's hook for an app that needs handles
        await self._follower.begin()
        key, _ = ensure_key(key_file(self._settings), self._settings.api_key)
        limits = Limits(max_body_bytes=self._settings.max_body_bytes, progress=self._settings.progress)
        host = RayHost(self._follower.roster, self._cluster)
        return web_app(
            host,
            self._cluster.journal,
            key,
            limits,
            jaeger_url=self._settings.jaeger_url,
            publishing=self._publisher,
        )


class Follower:
    """Keeps this gateway's roster as the publisher says."""

    def __init__(self, offer: Offer, publisher: RemotePublisher, cluster: Cluster) -> None:
        self._offer = offer
        self._publisher = publisher
        self._cluster = cluster
        self._name = serve.get_replica_context().replica_id.to_full_id_str()
        self._tick = 0
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.roster = Roster(self._open)

    async def begin(self) -> None:
        """Return when this gateway answers with everything that is published; goes on following."""
        await self._report()
        await self._publisher.offer(self._offer)
        await self._follow_once(0.0)
        loop = asyncio.get_running_loop()
        self._tasks = (loop.create_task(self._follow()), loop.create_task(self._tell_when_quiet()))

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_once(POLL_SECONDS)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next roll may be better
                log.warning("the roll could not be followed (%s)", type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
                await self._offer_again()

    async def _follow_once(self, within: float) -> None:
        roll = await self._publisher.watch(self._tick, within)
        if roll.tick > self._tick:
            await self.roster.switch(roll)
            self._tick = roll.tick
        if (
            roll.tick < self._tick
        ):  # a publisher that was restarted does not know what this server was started with
            await self._publisher.offer(self._offer)
        await self._report()

    async def _offer_again(self) -> None:
        """A publisher that was restarted does not know what this server was started with."""
        try:
            await self._report()  # first: nothing that this gateway uses may be removed
            await self._publisher.offer(self._offer)
        except StellaratorError as error:
            log.warning("the publisher does not answer (%s)", error.code)

    async def _tell_when_quiet(self) -> None:
        while True:
            await self.roster.quiet.wait()
            self.roster.quiet.clear()
            try:
                await self._report()
            except StellaratorError as error:
                log.warning("the publisher does not answer (%s)", error.code)

    async def _report(self) -> None:
        await self._publisher.report(self._name, self._tick, self.roster.busy)

    async def _open(self, offering: Offering) -> Home:
        """Make a version ready to answer."""
        if not offering.app:
            number = offering.publication.number
            # On a thread: it may import litellm, for seconds in which streams must not stand still.
            return await asyncio.to_thread(VirtualModel, offering.spec, self._cluster, number)
        model = RemoteModel(offering)
        await model.ready()
        return model


gateway: serve.Deployment = serve.deployment(**roles.GATEWAY.options())(Gateway)
"""The deployment, to be bound."""
