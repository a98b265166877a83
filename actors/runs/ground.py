"""Where lanes stand: the nodes of this Ray, and what a supervisor does to the actors on them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.lane import Lane
from actors.orders import Load
from actors.runs.embedded import embedded_url
from actors.runs.errors import translated
from actors.runs.quotas import quota_desk
from actors.supervisor import LaneKind, Node, Seat
from cluster import roles
from cluster.sizes import Sizes
from workflows.errors import LaneLost

_lane: Any = ray.remote(Lane)

ROLES: Mapping[LaneKind, roles.Role] = {"light": roles.LANE, "litellm": roles.LITELLM_LANE}
NAMED = 12
"""How much of a node's id its lanes' names have."""


class RayGround:
    """This Ray's nodes and lanes."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    async def nodes(self) -> tuple[Node, ...]:
        """The nodes that are alive and have cores."""
        listed: list[dict[str, Any]] = await asyncio.to_thread(ray.nodes)
        own = ray.get_runtime_context().get_node_id()
        return tuple(
            Node(node["NodeID"], _cores(node, own=node["NodeID"] == own))
            for node in listed
            if node["Alive"] and node["Resources"].get("CPU")
        )

    async def standing(self, kind: LaneKind) -> tuple[Seat, ...]:
        """The lanes that are there already."""
        names = await asyncio.to_thread(named, ROLES[kind])
        nodes = {node.node_id[:NAMED]: node.node_id for node in await self.nodes()}
        seats = []
        for name in names:
            _, node, number = name.split("-")
            with suppress(ValueError):  # it has died since
                handle = ray.get_actor(name, namespace=roles.NAMESPACE)
                seats.append(Seat(name, nodes.get(node, ""), int(number), handle))
        return tuple(seats)

    def open(self, kind: LaneKind, node: Node, number: int) -> Seat:
        """Open a lane, pinned to its node."""
        here = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        options = ROLES[kind].options(
            node.node_id[:NAMED], number, get_if_exists=True, scheduling_strategy=here
        )
        handle = _lane.options(**options).remote(
            embedded_url, quota_desk, most=self._sizes.most_calls, litellm=kind == "litellm"
        )
        return Seat(options["name"], node.node_id, number, handle)

    async def load(self, seat: Seat) -> Load:
        """How busy a lane is."""
        async with translated(LaneLost):
            load: Load = await seat.handle.load.remote()
            return load

    async def end(self, seat: Seat) -> None:
        """Have a lane send what it holds, and end its process."""
        async with translated(LaneLost):
            await seat.handle.close.remote()
        ray.kill(seat.handle)


def named(role: roles.Role) -> tuple[str, ...]:
    """The names of the actors that play a role and have not died. Asks the cluster's head, and waits for it."""
    listed: list[dict[str, str]] = ray.util.list_named_actors(all_namespaces=True)
    return tuple(
        actor["name"]
        for actor in listed
        if actor["namespace"] == roles.NAMESPACE and role.owns(actor["name"])
    )


def _cores(node: Mapping[str, Any], *, own: bool) -> int:
    """How many lanes a node bears: as many as it offers cores, and on this machine no more than it has."""
    offered = max(1, int(node["Resources"]["CPU"]))
    return min(offered, os.cpu_count() or 1) if own else offered
