"""Which lane makes a call: the one with the fewest in flight, and a panel's branches together as long as that is fair.

Every coordinator knows exactly what it has in flight itself, and what all others have as it was when the list of lanes was
made, two seconds ago at most. Lanes that are equal are drawn by lot, or all coordinators would choose the same one.
Knows nothing about Ray.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

from actors.orders import Load

TOGETHER = 4
"""By how many calls a lane may be busier than the least busy one before a run's next call leaves it: calls that go
to one lane at once travel in one message."""


class LaneChoice:
    """The lanes that may be chosen, and what each has in flight."""

    def __init__(self) -> None:
        self._mine = Counter[str]()
        self._others: dict[str, int] = {}
        self._room: dict[str, int] = {}

    def listed(self, loads: Mapping[str, Load]) -> None:
        """These lanes are there, as busy as this."""
        self._others = {name: max(0, load.in_flight - self._mine[name]) for name, load in loads.items()}
        self._room = {name: load.room for name, load in loads.items()}

    def lose(self, name: str) -> None:
        """A lane is gone: never choose it again."""
        self._room.pop(name, None)

    def choose(self, before: str | None = None) -> str | None:
        """The lane for a call whose run used `before`; None when no lane has room."""
        burdens = {name: burden for name in self._room if (burden := self._burden(name)) < self._room[name]}
        if not burdens:
            return None
        least = min(burdens.values())
        if before in burdens and burdens[before] < least + TOGETHER:
            return before
        return random.choice([name for name, burden in burdens.items() if burden == least])  # noqa: S311  # no secret

    def take_off(self, name: str) -> None:
        """One more call of ours is in flight there."""
        self._mine[name] += 1

    def land(self, name: str) -> None:
        """One call of ours is over."""
        self._mine[name] -= 1
        if not self._mine[name]:
            del self._mine[name]

    @property
    def room(self) -> int:
        """How many more calls all lanes together take."""
        return sum(max(0, room - self._burden(name)) for name, room in self._room.items())

    @property
    def is_empty(self) -> bool:
        """Whether there is no lane at all."""
        return not self._room

    def _burden(self, name: str) -> int:
        return self._mine[name] + self._others.get(name, 0)
