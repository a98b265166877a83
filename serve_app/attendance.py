"""Who is there in a running cluster: nodes, actors, Serve's replicas, clocks. For `stellarator doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ray import serve
from ray.serve.schema import ServeStatus

from actors.runs.clocks import ahead
from cluster import health, session
from cluster.findings import Finding, State
from cluster.roles import COORDINATOR, JOURNAL, LANE, SUPERVISOR
from cluster.settings import Settings
from serve_app.server import APPLICATION

NEEDED = (JOURNAL, COORDINATOR, SUPERVISOR, LANE)
CLOCKS_APART = (1.0, 5.0)
"""Seconds from which clocks are doubtful, and wrong: a call's lease is 10 s."""
_RESTART = "Start it again: `stellarator down`, then `stellarator up`."


def attendance(settings: Settings, address: str) -> Iterator[Finding]:
    """Join the cluster and look round; nothing is started or changed."""
    with session.connect(replace(settings, ray_address=address)):
        seen = health.look()
        yield _nodes(address, seen)
        yield from _roles(seen)
        yield from _application(serve.status())
        alive = [node for node in seen.nodes if node.alive]
        if len(alive) > 1:
            yield from (clock_finding(f"node {node.address}", ahead(node.id)) for node in alive)


def clock_finding(whose: str, seconds: float) -> Finding:
    """What to say of a clock that is so far from ours."""
    doubtful, wrong = CLOCKS_APART
    apart = abs(seconds)
    said = f"the clock of {whose} is {apart:.1f} s {'ahead of' if seconds > 0 else 'behind'} ours"
    if apart < doubtful:
        return Finding("Clock", "ok", f"the clock of {whose} agrees with ours")
    state: State = "fail" if apart >= wrong else "warn"
    return Finding("Clock", state, said, "Run a time service (chrony, systemd-timesyncd) on every machine.")


def _nodes(address: str, seen: health.Health) -> Finding:
    alive = sum(node.alive for node in seen.nodes)
    dead = len(seen.nodes) - alive
    said = f"answers at {address}: {alive} node{'s' if alive != 1 else ''}"
    if dead:
        return Finding("Ray", "warn", f"{said}, {dead} lost", "Look at the lost machines, or restart them.")
    return Finding("Ray", "ok", said)


def _roles(seen: health.Health) -> Iterator[Finding]:
    there = {presence.role: presence.actors for presence in seen.roles}
    missing = [role.name for role in NEEDED if not there.get(role.name)]
    if missing:
        yield Finding("Actors", "fail", f"missing: {', '.join(missing)}", _RESTART)
    else:
        counts = ", ".join(f"{len(actors)} {role}" for role, actors in there.items() if actors)
        yield Finding("Actors", "ok", counts)


def _application(status: ServeStatus) -> Iterator[Finding]:
    application = status.applications.get(APPLICATION)
    if application is None:
        yield Finding("Serve", "fail", "our application is not deployed", _RESTART)
        return
    for name, deployment in application.deployments.items():
        ready = sum(n for state, n in deployment.replica_states.items() if state == "RUNNING")
        said = f"{name} is {deployment.status.value.lower()}, {ready} replica{'s' if ready != 1 else ''}"
        if deployment.status.value == "HEALTHY" and ready:
            yield Finding("Serve", "ok", said)
        else:
            remedy = "Its log is in the state folder's `logs`, under `serve`."
            yield Finding("Serve", "fail", said, remedy)
