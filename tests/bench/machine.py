"""The machine that measures: what it is, and how much others disturb it."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import psutil

PIECES = 100


@dataclass(frozen=True, slots=True)
class Calm:
    """How calm the machine is before a benchmark.

    Attributes:
        load: processes that wanted to run, averaged over the last minute.
        noise: how much longer than at best a fixed piece of work takes in the middle, as a share.
    """

    load: float
    noise: float

    def __str__(self) -> str:
        return f"load {self.load:.1f}, noise {self.noise:.0%}"


def calm() -> Calm:
    """Look at the machine; takes about half a second."""
    pieces = [_seconds_of_work() for _ in range(PIECES)]
    return Calm(os.getloadavg()[0], statistics.median(pieces) / min(pieces) - 1)


def described() -> str:
    """What this machine is, in one line."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, Ray {version('ray')}"
    )


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _seconds_of_work() -> float:
    began = perf_counter()
    total = 0
    for number in range(60_000):
        total += number
    return perf_counter() - began
