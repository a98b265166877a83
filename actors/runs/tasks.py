"""Branches that declare resources: each a Ray task of its own, scheduled by Ray."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import ray

from actors.branch import run_branch, warm_up
from actors.collect import sent
from actors.orders import CallOrder
from actors.runs.embedded import embedded_url
from actors.runs.errors import translated
from actors.runs.quotas import quota_desk
from cluster import roles
from workflows.errors import LaneLost
from workflows.flow import Cancelled, Outcome

START_SECONDS = 1.0
"""CPU time, more or less, that a process takes to start."""

branch_task: Any = ray.remote(run_branch)
_warming: Any = ray.remote(warm_up)


def keep_warm(count: int) -> None:
    """Have so many processes started for the branches of this actor; return at once.

    Ray keeps idle processes for the detached actor whose tasks they ran first, so each coordinator needs its own, and
    not more of them than ``RAY_num_workers_soft_limit``.
    """
    options = roles.BRANCH.options(num_cpus=0, scheduling_strategy="SPREAD")
    for _ in range(count):
        _warming.options(**options).remote(START_SECONDS * count)


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
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # It was cancelled on the other side.
            call = self._order.call
            return Cancelled(call.step_id, self._reason, monotonic() - self._began, sent(call), call.model)

    def stop(self, reason: str) -> None:
        """Cancel the task; its body is one ``asyncio.run``, which Ray can interrupt."""
        self._reason = reason
        ray.cancel(self._ref)

    def cancel(self) -> None:
        """Give the call up."""
        ray.cancel(self._ref)


def _resources(declared: dict[str, float]) -> dict[str, object]:
    """Ray's options for declared resources: num_cpus and num_gpus have names of their own."""
    options: dict[str, object] = {
        name: declared.pop(name) for name in ("num_cpus", "num_gpus") if name in declared
    }
    return {**options, "resources": declared} if declared else options
