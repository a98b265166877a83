"""Serve applications of dedicated versions: brought up until they are healthy, and removed.

The publisher's `actors.publisher.Apps`, over Serve's own functions, which block: each call runs on a thread.
"""

from __future__ import annotations

import asyncio
import re
from time import monotonic
from typing import Any

import ray
from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus

from actors.offers import Offering
from cluster import roles
from serve_app.virtual_model import dedicated_model
from workflows.errors import PublishFailed
from workflows.spec import DeploymentSpec

HEALTHY_SECONDS = 120.0
"""How long a version may take until its replicas answer."""
POLL_SECONDS = 0.1
"""Serve's own client looks once a second."""
_SERVE_NAMESPACE = "serve"
STOPPING_SECONDS = 900.0
"""How long runs under way may keep a replica that autoscaling takes away."""
_OURS = re.compile(r"[a-z][a-z0-9._-]*@[0-9]+")
"""Names of applications of dedicated versions (`actors.offers.app_name`)."""


class ServeApps:
    """`actors.publisher.Apps` on this cluster's Serve."""

    async def start(self, name: str, offering: Offering) -> None:
        """Return when it is healthy, also when it was already; raises `PublishFailed`."""
        try:
            if await self._status(name) is not ApplicationStatus.RUNNING:
                await asyncio.to_thread(_deploy, name, offering)
                await self._healthy(name, offering.publication.virtual_model)
        except BaseException:
            await self.stop(name)
            raise

    async def stop(self, name: str) -> None:
        """Remove it; return when it is gone."""
        await asyncio.to_thread(serve.delete, name, _blocking=False)
        while await self._status(name) is not ApplicationStatus.NOT_STARTED:  # noqa: ASYNC110  # nothing to await
            await asyncio.sleep(POLL_SECONDS)

    async def names(self) -> frozenset[str]:
        """Those that are there."""
        status = await asyncio.to_thread(serve.status)
        return frozenset(name for name in status.applications if _OURS.fullmatch(name))

    async def is_alive(self, gateway: str) -> bool:
        """Whether that replica's actor is there."""
        try:
            await asyncio.to_thread(ray.get_actor, gateway, namespace=_SERVE_NAMESPACE)
        except ValueError:
            return False
        return True

    async def _status(self, name: str) -> ApplicationStatus:
        status = await asyncio.to_thread(serve.status)
        found = status.applications.get(name)
        return found.status if found else ApplicationStatus.NOT_STARTED

    async def _healthy(self, name: str, virtual_model: str) -> None:
        until = monotonic() + HEALTHY_SECONDS
        while (status := await self._status(name)) is not ApplicationStatus.RUNNING:
            if status in {ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY}:
                raise PublishFailed(virtual_model, "its replicas do not start; the Ray logs say why")
            if monotonic() > until:
                late = f"its replicas did not answer within {HEALTHY_SECONDS:g} s; has a node the resources for one?"
                raise PublishFailed(virtual_model, late)
            await asyncio.sleep(POLL_SECONDS)


def options(name: str, spec: DeploymentSpec) -> dict[str, Any]:
    """A workflow's `deployment` in Serve's words."""
    scaling, needs = spec.autoscaling, spec.resources
    actor: dict[str, Any] = {"num_cpus": needs.num_cpus, "num_gpus": needs.num_gpus}
    if needs.memory is not None:
        actor["memory"] = needs.memory
    if needs.custom:
        actor["resources"] = needs.custom
    replicas: dict[str, Any] = {"num_replicas": 1}
    if (scaling.min_replicas, scaling.max_replicas) != (1, 1):
        replicas = {"autoscaling_config": scaling.model_dump()}
    return roles.VIRTUAL_MODEL.options(
        name=name,
        ray_actor_options=actor,
        max_ongoing_requests=spec.max_ongoing_requests,
        max_queued_requests=spec.max_queued_requests,
        graceful_shutdown_timeout_s=STOPPING_SECONDS,
        **replicas,
    )


def _deploy(name: str, offering: Offering) -> None:
    """Begin to bring the application up."""
    spec = offering.spec
    bound = dedicated_model.options(**options(spec.name, spec.hosting)).bind(
        spec, offering.publication.number
    )
    target = serve.RunTarget(bound, name=name, route_prefix=None)
    try:
        serve.run_many(
            [target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False
        )
    except RayServeException as error:
        raise PublishFailed(spec.name, f"Serve does not take it ({type(error).__name__})") from error
