"""The processes of one session: all that work in its folder.

Environment variables and command lines do not identify a Ray process, because Ray writes its titles over them.
The working directory does: it is inherited, kept by the kernel, and the folder belongs to one session only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

TERMINATE_S = 2.0
KILL_S = 10.0


def inside(folder: Path) -> list[psutil.Process]:
    """Every other live process of ours whose working directory is `folder` or below it."""
    own = os.getpid()
    return [process for process in psutil.process_iter() if process.pid != own and _works_in(process, folder)]


def stop(processes: Sequence[psutil.Process]) -> None:
    """Ask them to end, kill those that do not, and wait until all are gone."""
    for process in processes:
        _send(process, kill=False)
    _, alive = psutil.wait_procs(list(processes), timeout=TERMINATE_S)
    for process in alive:
        _send(process, kill=True)
    psutil.wait_procs(alive, timeout=KILL_S)


@contextmanager
def stopped_after(seconds: float, folder: Path) -> Iterator[None]:
    """A block that may wait for what works in `folder`: when it takes longer than so many seconds, that is stopped."""
    timer = threading.Timer(seconds, lambda: stop(inside(folder)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):  # gone meanwhile, a zombie, or another user's
        return False


def _send(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:  # psutil compares start times, so a reused id is not hit
        return
