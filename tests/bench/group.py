"""What a process and everything below it use: CPU, memory, files; as a whole and by part of the product."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

_TITLE = re.compile(r"ray::(?P<kind>\w+)(:[^:]+:(?P<deployment>\w+))?")
_PARTS = {
    "Gateway": "gateway",
    "ServeReplica": "replica",
    "ProxyActor": "proxy",
    "Coordinator": "coordinator",
    "Lane": "lanes",
    "JournalActor": "journal",
    "Keeper": "keeper",
    "Credits": "credits",
}


class Group:
    """A process with everything below it."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def cpu_s(self) -> float:
        """CPU seconds until now; of processes that ended as far as somebody waited for them."""
        return sum(self.cpu_by_part().values())

    def cpu_by_part(self) -> Mapping[str, float]:
        """CPU seconds until now of each part of the product; `other` is Ray's own processes and the starter."""
        return self._sums(_cpu_s)

    def memory_bytes(self) -> int:
        """Memory with shared pages shared out (PSS)."""
        return round(sum(self.memory_by_part().values()))

    def memory_by_part(self) -> Mapping[str, float]:
        """The same of each part."""
        return self._sums(lambda process: process.memory_full_info().pss)

    def files(self) -> int:
        """Open file descriptors."""
        return round(sum(self._sums(lambda process: process.num_fds()).values()))

    def threads(self) -> int:
        """Threads."""
        return round(sum(self._sums(lambda process: process.num_threads()).values()))

    def titled(self, title: str) -> list[psutil.Process]:
        """The processes whose command line begins so."""
        found = []
        for process in (self._root, *self._root.children(recursive=True)):
            with suppress(psutil.Error):  # it has ended
                if "".join(process.cmdline()[:1]).startswith(title):
                    found.append(process)
        return found

    def _sums(self, of: Callable[[psutil.Process], float]) -> Mapping[str, float]:
        found = defaultdict[str, float](float)
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                found[_part(process)] += of(process)
            except psutil.Error:  # it has ended
                continue
        return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _part(process: psutil.Process) -> str:
    """Which part of the product a process is: Ray writes into its title what a worker does."""
    title = _TITLE.match("".join(process.cmdline()[:1]))
    if title is None:
        return "other"
    return _PARTS.get(title["deployment"] or "") or _PARTS.get(title["kind"], "other")
