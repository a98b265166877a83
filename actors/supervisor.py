"""Keeps the lanes complete: one per core on every node that is alive, as nodes come and go.

Ray's SPREAD strategy misplaces actors that ask for no CPU, so each lane is pinned to its node by hard affinity,
and somebody has to notice new nodes: this actor. Lanes that need litellm are started when a first workflow
needs them.

Undecorated: `actors.runs` makes it a Ray actor. It creates actors through the function that it is given, so that
only `actors.runs` speaks to Ray.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

log = logging.getLogger(__name__)

LaneKind = Literal["light", "litellm"]
LaneHandles: TypeAlias = Mapping[str, Any]
"""Actor handles of `actors.lane.Lane` by lane name."""

RECONCILE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive."""

    node_id: str
    cores: int


class Supervisor:
    """Knows every lane."""

    def __init__(
        self,
        nodes: Callable[[], Awaitable[tuple[Node, ...]]],
        open_lane: Callable[[LaneKind, Node, int], tuple[str, Any]],
    ) -> None:
        self._nodes = nodes
        self._open_lane = open_lane
        self._lanes: dict[LaneKind, dict[Node, dict[str, Any]]] = {"light": {}}
        self._asking = asyncio.Lock()
        self._reconciling: asyncio.Task[None] | None = None

    async def lanes(self, kind: LaneKind, create: bool = True) -> LaneHandles:
        """All lanes of that kind; the first who asks for a kind has it started."""
        async with self._asking:  # those who ask first together all wait for the lanes to be there
            if create and not self._lanes.get(kind):
                self._lanes[kind] = {}
                await self._reconcile()
            if self._reconciling is None:
                # In an empty context: Ray would cancel it together with the panel that asked first.
                loop = asyncio.get_running_loop()
                self._reconciling = loop.create_task(self._keep(), context=Context())
        return {name: lane for node in self._lanes.get(kind, {}).values() for name, lane in node.items()}

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                await self._reconcile()
            except Exception:  # the cluster's head may be away for a while; try again
                log.exception("could not look after the lanes")

    async def _reconcile(self) -> None:
        alive = await self._nodes()
        for kind, by_node in self._lanes.items():
            for gone in by_node.keys() - set(alive):
                del by_node[gone]
            for node in alive:
                if node not in by_node:
                    by_node[node] = dict(self._open_lane(kind, node, i) for i in range(node.cores))
