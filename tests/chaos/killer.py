"""Kills at random, by a seed: which processes, in which order, at which distance."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import psutil

from tests.chaos.stage import Stage

TITLES = {
    "branch": "branch",
    "lane": "Lane",
    "coordinator": "Coordinator",
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
WAIT_SECONDS = 8.0
"""How long to look for somebody to kill; a branch's process lives for a second or two."""
FREEZE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Kill:
    """What was done, when (Unix seconds), and whether there was anything to do it to."""

    kind: str
    at: float
    hit: bool


class Killer:
    """Does each kind once a round, shuffled, on a thread of its own."""

    def __init__(self, stage: Stage, random: Random, rounds: int, seconds: float) -> None:
        self._stage = stage
        self._random = random
        kinds = [kind for _ in range(rounds) for kind in random.sample(KINDS, len(KINDS))]
        self._pauses = [(kind, random.uniform(0.5, 1.5) * seconds / len(kinds)) for kind in kinds]
        self.kills: list[Kill] = []
        self._thread = threading.Thread(target=self._run, name="killer")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        for kind, pause in self._pauses:
            time.sleep(pause)
            hit = self._strike(kind)
            self.kills.append(Kill(kind, time.time(), hit))

    def _strike(self, kind: str) -> bool:
        if kind == "node":
            return self._node()
        if kind == "database":
            with self._stage.database.paused():
                time.sleep(FREEZE_SECONDS)
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
