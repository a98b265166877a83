"""Lanes, reached from a coordinator: choose one, have it make a call, keep its lease, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

import ray

from actors.branch import run_branch
from actors.collect import Pending, sent
from actors.orders import CallOrder
from actors.runs.embedded import embedded_url
from actors.runs.errors import translated
from actors.runs.handles import Handle
from actors.runs.quotas import quota_desk
from actors.supervisor import LaneKind
from cluster import roles
from workflows.errors import ClusterError, LaneLost
from workflows.flow import Cancelled, Outcome

FRESH_SECONDS = 2.0
"""How old the list of lanes may be."""
LIST_SECONDS = 1.0
"""How long the supervisor may take for its list where an older one is known."""
SHUNNED_SECONDS = 5.0
"""How long a lane that was lost is used only when there is no other; it restarts in about two."""
REJOIN_SECONDS = 2.0
"""How long a lane may take to say what it holds."""

branch_task: Any = ray.remote(run_branch)


class OnLane:
    """A call that a lane makes."""

    def __init__(self, lane: Handle, order: CallOrder, landed: Callable[[bool], None]) -> None:
        self._lane = lane
        self._order = order
        self._ref = lane.call.remote(order)
        self._landed = landed
        self._began = monotonic()

    async def result(self) -> Outcome:
        """The outcome; `LaneLost` when the lane died."""
        lost = False
        try:
            async with translated(LaneLost):
                outcome: Outcome = await self._ref
                return outcome
        except LaneLost:
            lost = True
            raise
        except asyncio.CancelledError:
            return _cancelled(self._order, "cancelled", self._began)
        finally:
            self._landed(lost)

    def stop(self, reason: str) -> None:
        """Ask the lane to stop the call and report what it used."""
        self._lane.stop.remote(self._order.run_id, (self._order.call.step_id,), reason)

    def cancel(self) -> None:
        """Give the call up; the lane closes its socket."""
        ray.cancel(self._ref)


class AsTask:
    """A call that a Ray task of its own makes, on the resources that it declared."""

    def __init__(self, order: CallOrder) -> None:
        self._order = order
        self._began = monotonic()
        self._reason = "cancelled"
        options = roles.BRANCH.options(**_resources(dict(order.call.resources)))
        self._ref = branch_task.options(**options).remote(order, embedded_url, quota_desk)

    async def result(self) -> Outcome:
        """The outcome; `LaneLost` when the worker died."""
        try:
            async with translated(LaneLost):
                outcome: Outcome = await self._ref
                return outcome
        except asyncio.CancelledError:
            return _cancelled(self._order, self._reason, self._began)

    def stop(self, reason: str) -> None:
        """Cancel the task; its body is one ``asyncio.run``, which Ray can interrupt."""
        self._reason = reason
        ray.cancel(self._ref)

    def cancel(self) -> None:
        """Give the call up."""
        ray.cancel(self._ref)


def _cancelled(order: CallOrder, reason: str, began: float) -> Cancelled:
    """The outcome of a call that was cancelled on the other side; our own cancellation goes on."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    call = order.call
    return Cancelled(call.step_id, reason, monotonic() - began, sent(call), call.model)


class RemoteLanes:
    """All lanes, as one coordinator sees them."""

    def __init__(self, supervisor: Handle) -> None:
        self._supervisor = supervisor
        self._lanes: dict[LaneKind, Mapping[str, Handle]] = {}
        self._listed: dict[LaneKind, float] = {}
        self._in_flight: dict[str, int] = {}
        self._homes: dict[tuple[str, str], str] = {}
        self._lost: dict[str, float] = {}

    async def order(self, order: CallOrder) -> Pending:
        """Have a call made: on the least busy lane, or as a task when it declares resources."""
        if order.call.resources:
            return AsTask(order)
        kind: LaneKind = "litellm" if order.model.kind == "litellm" else "light"
        lanes = await self._list(kind)
        home = self._homes.get((order.run_id, order.call.step_id))
        name = home if home is not None and home in lanes else self._least_busy(lanes)
        self._in_flight[name] = self._in_flight.get(name, 0) + 1
        return OnLane(lanes[name], order, lambda lost: self._land(name, lost=lost))

    async def rejoin(self, run_id: str) -> frozenset[str]:
        """Learn which lanes hold calls of a run from before a restart, so that they are joined there."""
        lanes = {**await self._list("light", create=False), **await self._list("litellm", create=False)}

        async def ask(name: str, lane: Handle) -> None:
            # A lane that is away holds nothing that could be joined.
            with suppress(ClusterError, TimeoutError):
                async with asyncio.timeout(REJOIN_SECONDS), translated(LaneLost):
                    for step_id in await lane.held.remote(run_id):
                        self._homes[run_id, step_id] = name

        await asyncio.gather(*(ask(name, lane) for name, lane in lanes.items()))
        return frozenset(step_id for run, step_id in self._homes if run == run_id)

    def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Keep these runs' calls alive."""
        for lanes in self._lanes.values():
            for lane in lanes.values():
                lane.renew.remote(run_ids, lease)

    def release(self, run_id: str) -> None:
        """Forget a run that is over."""
        for key in [key for key in self._homes if key[0] == run_id]:
            del self._homes[key]
        for lanes in self._lanes.values():
            for lane in lanes.values():
                lane.release.remote(run_id)

    async def _list(self, kind: LaneKind, *, create: bool = True) -> Mapping[str, Handle]:
        if not self._lanes.get(kind) or monotonic() - self._listed[kind] > FRESH_SECONDS:
            try:
                async with asyncio.timeout(LIST_SECONDS if self._lanes.get(kind) else None):
                    self._lanes[kind] = await self._listing(kind, create=create)
            except (ClusterError, TimeoutError):
                # A supervisor that is away (its node, or the cluster's head) takes no lane with it.
                if kind not in self._lanes:
                    raise
            self._listed[kind] = monotonic()
        return self._lanes[kind]

    async def _listing(self, kind: LaneKind, *, create: bool) -> Mapping[str, Handle]:
        async with translated(ClusterError):
            lanes: Mapping[str, Handle] = await self._supervisor.lanes.remote(kind, create)
            return lanes

    def _least_busy(self, lanes: Mapping[str, Handle]) -> str:
        if not lanes:
            raise ClusterError("no lane is up to make calls; is the cluster starting or out of nodes?")
        now = monotonic()

        def burden(name: str) -> tuple[bool, int]:
            # A lane that was just lost has nothing in flight, so it would draw every retry.
            return now - self._lost.get(name, 0.0) < SHUNNED_SECONDS, self._in_flight.get(name, 0)

        return min(lanes, key=burden)

    def _land(self, name: str, *, lost: bool) -> None:
        self._in_flight[name] -= 1
        if lost:
            self._lost[name] = monotonic()


def _resources(declared: dict[str, float]) -> dict[str, object]:
    """Ray's options for declared resources: num_cpus and num_gpus have names of their own."""
    options: dict[str, object] = {
        name: declared.pop(name) for name in ("num_cpus", "num_gpus") if name in declared
    }
    return {**options, "resources": declared} if declared else options
