"""How large the engine's parts may be: lanes, coordinators, processes that are kept warm.

Nothing has to be set: what is not follows the machine and the load.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cluster import variables
from cluster.errors import SetupError
from cluster.roles import LOCAL_CPUS

_RANGE = re.compile(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the engine.

    Attributes:
        least_lanes: lanes that every node keeps; two in all at least, so that one can take over from another.
        most_lanes: lanes that a node may grow to; 0: one for each of its cores.
        lane_calls: calls in flight on each lane above which there is another.
        most_calls: calls in flight that one lane takes; more are refused.
        coordinators: how many there are from the first start on; 0: one for every four cores, 64 at most.
        warm_branches: processes that each coordinator keeps ready for branches with `resources`, spread over the nodes.
    """

    least_lanes: int = 1
    most_lanes: int = 0
    lane_calls: int = 500
    most_calls: int = 5000
    coordinators: int = 0
    warm_branches: int = 0

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Sizes:
        """Read them.

        Raises:
            SetupError: a variable has a value that cannot be used.
        """
        least, most = _range(env, "STELLARATOR_LANES", (cls().least_lanes, cls().most_lanes))
        calls, at_most = _range(env, "STELLARATOR_LANE_CALLS", (cls().lane_calls, cls().most_calls))
        return cls(
            least_lanes=least,
            most_lanes=most,
            lane_calls=calls,
            most_calls=at_most,
            coordinators=variables.number(env, "STELLARATOR_COORDINATORS", 0, 0, 1000),
            warm_branches=variables.number(env, "STELLARATOR_WARM_BRANCHES", 0, 0, 1000),
        )

    def environment(self) -> dict[str, str]:
        """The variables that say the same."""
        lanes = f"{self.least_lanes}-{self.most_lanes}" if self.most_lanes else ""
        return {
            **self._kept(),
            "STELLARATOR_LANES": lanes,
            "STELLARATOR_LANE_CALLS": f"{self.lane_calls}-{self.most_calls}",
            "STELLARATOR_COORDINATORS": str(self.coordinators),
            "STELLARATOR_WARM_BRANCHES": str(self.warm_branches),
        }

    def _kept(self) -> dict[str, str]:
        """How many idle processes Ray may keep: by itself, no more than it has idle cores."""
        if not self.warm_branches:
            return {}
        own = max(os.cpu_count() or 1, LOCAL_CPUS)
        return {"RAY_num_workers_soft_limit": str(own + self.warm_branches * max(1, self.coordinators))}


def _range(env: Mapping[str, str], name: str, usual: tuple[int, int]) -> tuple[int, int]:
    """Two numbers, ``2-8``; or one for both."""
    given = variables.text(env, name)
    if given is None:
        return usual
    found = _RANGE.fullmatch(given)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= low <= high:
        raise SetupError(
            f"{name} is `{given}`; set it to a range as in `2-8`, or to one number, or unset it."
        )
    return low, high
