"""Where a fusion run's time goes: the milliseconds between its model calls, told by the journal and the upstream.

The upstream's log says when each call arrived and was answered, the journal when each step began and ended, the
client when it asked and had the answer. What lies between is ours, and each piece of it has one part to answer for.
What the journal and tracing add to all of them is measured by comparison, in the benchmarks of those names.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.bench.effort import Effort
from tests.bench.figures import Figure, over
from tests.bench.load import PROMPT
from tests.bench.scenes import CALLS
from tests.bench.stand import Server

PATIENCE_S = 60.0
PARTS = {
    "gateway": "from the client's request to the run's first event, and from the last model call to the client",
    "conversation": "between the main LLM's turns and their steps",
    "dispatch": "from the panel's beginning to its first call",
    "fan_out": "branches later than the first one",
    "collect": "from the last branch to the synthesis",
    "synthesis": "from the synthesis to the panel's end",
}


def measure(server: Server, models: Server, workflow: str, effort: Effort) -> Iterator[Figure]:
    """The median of each part over runs that come one at a time, after a warm-up."""
    told = defaultdict[str, list[float]](list)
    headers = {"authorization": f"Bearer {server.key}"}
    with httpx.Client(headers=headers, timeout=60) as http:
        for _ in range(effort.of(20, 2)):
            for part, seconds in _one(http, server, models, workflow).items():
                told[part].append(1000 * seconds)
    for part, meaning in PARTS.items():
        yield over(f"fusion_budget_ms_{part}", told[part], "ms", meaning)


def _one(http: httpx.Client, server: Server, models: Server, workflow: str) -> Mapping[str, float]:
    body = {"model": workflow, "messages": [{"role": "user", "content": PROMPT}]}
    asked = time.time()
    response = http.post(f"{server.base_url}/chat/completions", json=body)
    answered = time.time()
    response.raise_for_status()
    run = _run(http, server, response.headers["x-stellarator-run-id"])
    log = http.get(f"{models.base_url.removesuffix('/v1')}/log", params={"last": CALLS}).json()
    first, *branches, judge, last = sorted(log, key=lambda call: call["started"])
    tool = next(step for step in run["steps"] if step["kind"] == "tool")
    tool_ended = tool["started_at"] + tool["seconds"]
    starts, ends = [b["started"] for b in branches], [b["ended"] for b in branches]
    lasted = max(b["ended"] - b["started"] for b in branches)
    return {
        "gateway": run["started_at"] - asked + answered - last["ended"],
        "conversation": first["started"]
        - run["started_at"]
        + tool["started_at"]
        - first["ended"]
        + last["started"]
        - tool_ended,
        "dispatch": min(starts) - tool["started_at"],
        "fan_out": max(ends) - min(starts) - lasted,
        "collect": judge["started"] - max(ends),
        "synthesis": tool_ended - judge["ended"],
    }


def _run(http: httpx.Client, server: Server, run_id: str) -> dict[str, Any]:
    """The run as the journal has it, once its end is there."""
    address = f"{server.base_url.removesuffix('/v1')}/api/runs/{run_id}"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        run: dict[str, Any] = http.get(address).json()
        if run.get("status") not in {None, "running"}:
            return run
        time.sleep(0.05)
    raise TimeoutError(f"the run {run_id} has no end in the journal")
