"""The embedded model's server, one for each node, started by whoever first needs it there."""

from __future__ import annotations

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.models.embedded.server import EmbeddedServer
from actors.runs.errors import translated
from cluster import roles
from cluster.settings import Settings
from workflows.errors import ClusterError

_embedded: Any = ray.remote(EmbeddedServer)


async def embedded_url() -> str:
    """The base URL of this node's embedded model; waits until its weights are loaded."""
    node_id = ray.get_runtime_context().get_node_id()
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    options = roles.EMBEDDED_MODEL.options(node_id[:12], get_if_exists=True, scheduling_strategy=here)
    server = _embedded.options(**options).remote(Settings.from_env())
    async with translated(ClusterError):
        url: str = await server.base_url.remote()
        return url
