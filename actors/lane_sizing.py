"""How many lanes a node should have: one more when its lanes are busy, one less when fewer would do.

A lane is one process with one event loop. It is busy when it holds many calls, or when it takes much of a core: calls
that take a second need another lane at far fewer in flight than calls that take a minute. Growing and shrinking leave
a wide gap between them, so that a steady load changes nothing. Knows nothing about Ray.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from actors.orders import Load
from cluster.sizes import Sizes

BUSY = 0.6
"""The share of a core above which a lane gets help; at 0.8 its answers begin to wait for each other."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many lanes a node may have, and how many calls each should hold before there is another."""

    least: int
    most: int
    calls: int


def wanted(loads: Sequence[Load], bounds: Bounds) -> int:
    """How many lanes a node with these should have: as many as it takes, or at most one less than it has."""
    count, strain = len(loads), _strain(loads, bounds)
    if strain > count:
        count = math.ceil(strain)
    elif strain < (count - 1) / 2:
        count -= 1
    return min(max(count, bounds.least), bounds.most)


def bounds_of(sizes: Sizes, cores: int, nodes: int) -> Bounds:
    """The bounds of one of `nodes` nodes, with so many cores: all nodes together keep two lanes where they may.

    With two, one takes over at once when the other dies.
    """
    share = -(-2 // nodes)
    most = sizes.most_lanes or max(cores, share)
    return Bounds(min(max(sizes.least_lanes, share), most), most, sizes.lane_calls)


def _strain(loads: Sequence[Load], bounds: Bounds) -> float:
    """The load of all lanes together, in lanes that would be just busy enough with it."""
    calls = sum(load.in_flight for load in loads) / bounds.calls
    return max(calls, sum(load.busy for load in loads) / BUSY)
