"""What is alive in the cluster that this process is connected to, for `status`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.roles import ROLES


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster. `cpus` are Ray's logical cores, `memory_bytes` what Ray may give to tasks."""

    id: str
    address: str
    alive: bool
    head: bool
    cpus: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Presence:
    """How many actors of a role are there, by name. An actor that Ray is restarting counts."""

    role: str
    doc: str
    actors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """A look at the cluster.

    Attributes:
        nodes: every machine that Ray knows, dead ones too.
        roles: one entry per role, also for those that nobody plays.
        strangers: named actors in our namespace that play no role.
    """

    nodes: tuple[Node, ...]
    roles: tuple[Presence, ...]
    strangers: tuple[str, ...]


def look() -> Health:
    """Ask Ray; inside `connect` only. Asks no actor anything, so it answers while they are busy."""
    import ray  # noqa: PLC0415  # Ray reads its environment while it is imported

    nodes = tuple(_node(node) for node in ray.nodes())  # type: ignore[no-untyped-call]
    return Health(nodes, *_cast(ray.util.list_named_actors()))


def _cast(names: Iterable[str]) -> tuple[tuple[Presence, ...], tuple[str, ...]]:
    found = sorted(names)
    roles = tuple(Presence(role.name, role.doc, tuple(filter(role.owns, found))) for role in ROLES)
    return roles, tuple(name for name in found if not any(role.owns(name) for role in ROLES))


def _node(node: dict[str, object]) -> Node:
    resources = node.get("Resources")
    amounts = resources if isinstance(resources, dict) else {}
    return Node(
        id=str(node["NodeID"]),
        address=str(node["NodeManagerAddress"]),
        alive=bool(node["Alive"]),
        head="node:__internal_head__" in amounts,
        cpus=float(amounts.get("CPU", 0)),
        memory_bytes=int(amounts.get("memory", 0)),
    )
