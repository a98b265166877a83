"""Who is next: start-time fair queueing on two levels.

What waits belongs to a flow, a flow to a group (a run to its client). Each group, and each flow among those of its
group, has a virtual time, which advances by the cost of what it gets; the one that is furthest behind is next. So
groups share alike however many flows they have, a long queue never keeps a short one waiting, and whoever comes back
finds the time that it has used (Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996; the clock of newcomers
advances as in weighted fair queueing, so that they cannot starve anybody). Within a flow the order is that of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Path: TypeAlias = tuple[str, str]
"""A group and a flow in it."""


@dataclass(slots=True)
class _Flow:
    time: float
    waiting: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    time: float
    clock: float = 0.0
    flows: dict[str, _Flow] = field(default_factory=dict)
    size: int = 0


class FairQueue:
    """Names that wait, each with a cost and a path."""

    def __init__(self) -> None:
        self._clock = 0.0
        self._groups: dict[str, _Group] = {}
        self._paths: dict[str, Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def push(self, name: str, path: Path, cost: float) -> None:
        """Let it wait at the end of its flow."""
        group = self._groups.setdefault(path[0], _Group(self._clock))
        flow = group.flows.setdefault(path[1], _Flow(group.clock))
        if not group.size:
            group.time = max(group.time, self._clock)
        if not flow.waiting:
            flow.time = max(flow.time, group.clock)
        flow.waiting[name] = cost
        group.size += 1
        self._paths[name] = path

    def first(self) -> str | None:
        """The next one; None when nothing waits."""
        if not self._paths:
            return None
        group = min((each for each in self._groups.values() if each.size), key=lambda each: each.time)
        flow = min((each for each in group.flows.values() if each.waiting), key=lambda each: each.time)
        return next(iter(flow.waiting))

    def serve(self, name: str) -> None:
        """It got its turn: the next one of its flow and of its group is later by its cost."""
        group_name, flow_name = self._paths[name]
        group = self._groups[group_name]
        flow = group.flows[flow_name]
        cost = flow.waiting[name]
        # Time goes on for those who wait, too: else newcomers, who start now, would come before them for good.
        self._clock = max(
            group.time, self._clock + cost / sum(bool(each.size) for each in self._groups.values())
        )
        group.clock = max(
            flow.time, group.clock + cost / sum(bool(each.waiting) for each in group.flows.values())
        )
        group.time += cost
        flow.time += cost
        self.remove(name)
        self._forget(group)

    def remove(self, name: str) -> None:
        """It waits no more."""
        group_name, flow_name = self._paths.pop(name)
        group = self._groups[group_name]
        del group.flows[flow_name].waiting[name]
        group.size -= 1
        if not self._paths:
            self._groups.clear()

    def ahead(self, path: Path) -> int:
        """How many would get their turn before one that came now."""
        group = self._groups.get(path[0])
        own = group.flows.get(path[1]) if group else None
        place = len(own.waiting) if own else 0
        if group:
            others = (len(flow.waiting) for flow in group.flows.values() if flow is not own)
            place += sum(min(waiting, place + 1) for waiting in others)
        rivals = (each.size for each in self._groups.values() if each is not group)
        return place + sum(min(waiting, place + 1) for waiting in rivals)

    def waiting_in(self, group: str) -> int:
        """How many of that group wait."""
        known = self._groups.get(group)
        return known.size if known else 0

    def _forget(self, group: _Group) -> None:
        """What waits for nothing and is not ahead of the others need not be known."""
        for name, flow in list(group.flows.items()):
            if not flow.waiting and flow.time <= group.clock:
                del group.flows[name]
        for name, each in list(self._groups.items()):
            if not each.size and each.time <= self._clock:
                del self._groups[name]
