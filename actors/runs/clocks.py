"""How far the machines' clocks are apart: leases, deadlines and the order of a run's events rest on them."""

from __future__ import annotations

from time import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

PATIENCE_S = 15.0


def _now() -> float:
    return time()


_clock: Any = ray.remote(_now)


def ahead(node_id: str) -> float:
    """Seconds by which a node's clock is ahead of ours, give or take half the time of asking.

    Raises:
        ray.exceptions.GetTimeoutError: it does not answer.
    """
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    clock = _clock.options(num_cpus=0, scheduling_strategy=here)
    ray.get(clock.remote(), timeout=PATIENCE_S)  # the first call starts a process
    began = time()
    told: float = ray.get(clock.remote(), timeout=PATIENCE_S)
    return told - (began + time()) / 2
