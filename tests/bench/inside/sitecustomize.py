"""Python runs this at the start of every process whose PYTHONPATH names this folder: what benchmarks do inside a product.

    STELLARATOR_BENCH_UNRECORDED=1      events go nowhere: what a run costs without a journal
    STELLARATOR_BENCH_CENSUS=FOLDER     asked for by the file `asked`, each process writes there how many tasks it has

So the product itself needs no switch for either.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

JOURNAL = "actors.runs.journal"
LOOK_S = 0.5


class _Unrecorded(MetaPathFinder, Loader):
    """Loads the journal's face in other processes, and takes its pen away."""

    def __init__(self) -> None:
        self._real: Loader | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path, target) if name == JOURNAL else None
        if found is not None:
            self._real, found.loader = found.loader, self
        return found

    def exec_module(self, module: ModuleType) -> None:
        assert self._real is not None
        self._real.exec_module(module)
        journal: Any = module
        journal.RemoteJournal.append = _append
        journal.RemoteJournal.append_soon = _append_soon


async def _append(_journal: object, _events: object) -> None:
    """Nothing is stored, and nobody waits for it."""


def _append_soon(_journal: object, _events: object) -> None:
    """Nothing is stored."""


def _count(folder: Path) -> None:
    """Write the number of tasks that are not done each time that the file `asked` is touched."""
    answered = 0
    while True:
        time.sleep(LOOK_S)
        asked = folder / "asked"
        touched = asked.stat().st_mtime_ns if asked.exists() else 0
        kind = getattr(sys.modules.get("asyncio"), "Task", None)
        if touched == answered or kind is None:
            continue
        answered = touched
        alive = sum(type(thing) is kind and not thing.done() for thing in gc.get_objects())
        (folder / f"{os.getpid()}.tasks").write_text(str(alive))


if os.environ.get("STELLARATOR_BENCH_UNRECORDED"):
    sys.meta_path.insert(0, _Unrecorded())
if census := os.environ.get("STELLARATOR_BENCH_CENSUS"):
    threading.Thread(target=_count, args=(Path(census),), daemon=True).start()
