"""Kills at random, by a seed: which processes, in which order, at which distance."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from random import Random

import psutil

from tests.chaos.stage import Stage

TITLES = {
    "branch": "branch",
    "lane": "Lane",
    "coordinator": "Coordinator",
    "keeper": "Keeper",
    "supervisor": "Supervisor",
    "journal": "JournalActor",
    "gateway": "ServeReplica:stellarator:Gateway",
    "replica": "ServeReplica:chaos-dedicated",
    "controller": "ServeController",
}
"""The beginning of the Ray title of each kind of worker."""
OTHERS = ("node", "database")
KINDS = (*TITLES, *OTHERS)
DOORS = frozenset({"gateway", "node"})
"""What, when killed, takes with it whoever answers a client."""
WAIT_SECONDS = 12.0
"""How long to look for somebody to kill: a branch's process lives for three seconds, others take as long to be back."""


@dataclass(frozen=True, slots=True)
class Kill:
    """What was done, over which time (Unix seconds), and whether there was anything to do it to."""

    kind: str
    began: float
    ended: float
    hit: bool


class Killer:
    """Does each kind once a round, shuffled, on a thread of its own.

    Args:
        stage: what it has to do with.
        random: decides the order and the times.
        rounds: how often each kind is done.
        seconds: over how long; what takes longer than its turn shortens the pauses behind it.
        freezes: seconds for which the database stands still, each in its turn, round and round.
    """

    def __init__(
        self, stage: Stage, random: Random, *, rounds: int, seconds: float, freezes: Sequence[float]
    ) -> None:
        self._stage = stage
        self._random = random
        kinds = [kind for _ in range(rounds) for kind in random.sample(KINDS, len(KINDS))]
        turn = seconds / len(kinds)
        self._plan = [(kind, (place + random.random()) * turn) for place, kind in enumerate(kinds)]
        self._freezes = cycle(freezes)
        self.kills: list[Kill] = []
        self._thread = threading.Thread(target=self._run, name="killer")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        for kind, at in self._plan:
            time.sleep(max(0.0, began + at - time.monotonic()))
            struck = time.time()
            hit = self._strike(kind)
            self.kills.append(Kill(kind, struck, time.time(), hit))

    def _strike(self, kind: str) -> bool:
        if kind == "node":
            return self._node()
        if kind == "database":
            with self._stage.database.paused():
                time.sleep(next(self._freezes))
            return True
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            victims = self._stage.titled(TITLES[kind])
            with suppress(psutil.NoSuchProcess, IndexError):
                self._random.choice(victims).send_signal(signal.SIGKILL)
                return True
            time.sleep(0.1)
        return False

    def _node(self) -> bool:
        """A node dies; another takes its place."""
        killed = self._stage.kill_node() > 1
        self._stage.add_node()
        return killed
