"""Branches per second: at saturation on both kinds of lane, and over one, two and four Ray nodes on this machine.

The nodes share this machine's cores, so work for the CPU cannot grow with them; what a node adds is room for branches
that wait. While the upstream sleeps each node gets the same number of branches, and all of them should be answered in
the time that one node's take: efficiency is the rate over four nodes, a fourth of it against the rate on one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cluster import session
from cluster.settings import Settings, worker_environment
from tests.bench.effort import Effort
from tests.bench.figures import Figure, Note, over
from tests.bench.group import Group
from tests.bench.hosts import HostsRefused, hosts, joined, node
from tests.bench.load import load
from tests.bench.scenes import NAP_S, fusion, rules
from tests.bench.stand import Server, product, upstream
from tests.chaos.head import kill

NODES = (1, 2, 4)
BRANCHES = 20
RUNS_OF_A_NODE = 3
"""At once, while the upstream sleeps."""

WAVES = 3
BUSY_AT_ONCE = 8
TASKS = 4
"""Branches of a panel whose branches are Ray tasks; each has a process of its own."""

PATIENCE_S = 200.0


def on_one_machine(effort: Effort) -> Iterator[Figure]:
    """The product with more and more nodes; its rates, and the CPU of a branch."""
    with upstream(rules(0)) as models, ExitStack() as stack:
        task = {"resources": {"num_cpus": 0.5}}
        workflows = [
            _nappers(models),
            fusion("busy", models.base_url, ["draft"] * BRANCHES),
            fusion("tasks", models.base_url, ["draft"] * TASKS, branch=task),
        ]
        server = stack.enter_context(product(workflows))
        groups, asleep = [server.processes], dict[int, list[float]]()
        for count in NODES:
            while len(groups) < count:
                groups.append(stack.enter_context(_node(server)))
            load(server, "busy", effort.of(4, 2), 2)
            yield from _busy(server, groups, effort)
            asleep[count] = _asleep(server, count, effort)
            yield over(
                f"branches_asleep_per_s_{count}_nodes",
                asleep[count],
                "branches/s",
                f"each sleeps {NAP_S:g} s",
            )
        yield from _tasks(server, groups, effort)
    for count in NODES[1:]:
        shares = [many / count / one for many, one in zip(asleep[count], asleep[1], strict=True)]
        yield over(f"node_scaling_efficiency_{count}", shares, "share", "one node, while the upstream sleeps")


def on_hosts(effort: Effort) -> Iterator[Figure | Note]:
    """One host against four while the upstream sleeps; each is a network namespace with an address of its own."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="sb-")))
        try:
            made = stack.enter_context(hosts(max(NODES)))
        except HostsRefused as error:
            yield Note(f"separate hosts are not measured: {error}")
            return
        models = stack.enter_context(upstream(rules(0), made.bridge))
        stack.enter_context(node(made, 0, home))
        server = stack.enter_context(joined(made, [_nappers(models)], home))
        load(server, "nappers", 1, 1)
        one = _asleep(server, 1, effort)
        for group in [stack.enter_context(node(made, number, home)) for number in range(1, max(NODES))]:
            _await_lanes(group)
        many = _asleep(server, max(NODES), effort)
    shares = [after / max(NODES) / before for after, before in zip(many, one, strict=True)]
    yield over(f"host_scaling_efficiency_{max(NODES)}", shares, "share", "one host; network namespaces")


def _nappers(models: Server) -> dict[str, Any]:
    return fusion("nappers", models.base_url, ["napper"] * BRANCHES)


def _asleep(server: Server, nodes: int, effort: Effort) -> list[float]:
    """Branches per second in each of some waves."""
    runs = RUNS_OF_A_NODE * nodes
    waves = [load(server, "nappers", runs, runs) for _ in range(effort.of(WAVES))]
    return [BRANCHES * wave.rate for wave in waves]


def _busy(server: Server, groups: Sequence[Group], effort: Effort) -> Iterator[Figure]:
    """Branches that are answered at once, as many as get through."""
    nodes, runs = len(groups), effort.of(40, BUSY_AT_ONCE)
    rates, cpu_ms = list[float](), list[float]()
    for _ in range(min(3, effort.rounds)):
        before = _cpu_s(groups)
        rates.append(BRANCHES * load(server, "busy", runs, BUSY_AT_ONCE).rate)
        cpu_ms.append(1000 * (_cpu_s(groups) - before) / runs / BRANCHES)
    yield over(f"branches_per_s_{nodes}_nodes", rates, "branches/s", f"panels of {BRANCHES}, on lanes")
    yield over(f"branch_cpu_ms_{nodes}_nodes", cpu_ms, "ms CPU", "a branch on a lane, its run included")


def _tasks(server: Server, groups: Sequence[Group], effort: Effort) -> Iterator[Figure]:
    """The same for branches that are Ray tasks of their own, after a warm-up that starts their processes."""
    runs, before = effort.of(12, 2), _cpu_s(groups)
    load(server, "tasks", 2, 2)
    rate = TASKS * load(server, "tasks", runs, 2).rate
    cpu_ms = 1000 * (_cpu_s(groups) - before) / (runs + 2) / TASKS
    yield Figure("branch_tasks_per_s", rate, "branches/s", f"panels of {TASKS}, tasks; {len(groups)} nodes")
    yield Figure("branch_task_cpu_ms", cpu_ms, "ms CPU", "a branch as a task, its process included")


def _cpu_s(groups: Sequence[Group]) -> float:
    return sum(group.cpu_s() for group in groups)


@contextmanager
def _node(server: Server) -> Iterator[Group]:
    """Another Ray node on this machine that has joined the product's session and has its lanes."""
    assert server.home is not None, "the product is ours"
    settings = Settings.from_env({"STELLARATOR_HOME": str(server.home), "STELLARATOR_API_KEY": server.key})
    found = session.running(settings)
    assert found is not None, "the product runs"
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.node", found.address],
        cwd=found.folder,
        env={**os.environ, **worker_environment(settings)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        group = Group(running.pid)
        _await_lanes(group)
        yield group
    finally:
        kill(running)


def _await_lanes(group: Group) -> None:
    until = time.monotonic() + PATIENCE_S
    while "lanes" not in group.memory_by_part():
        if time.monotonic() > until:
            raise TimeoutError("the new node got no lanes")
        time.sleep(0.2)
