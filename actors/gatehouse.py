"""Which gateways there are, what each of them has switched to, and which old versions still have runs there.

Bookkeeping of the publisher. A gateway says so itself (`report`); one whose process is gone is forgotten.
Not thread-safe: lives on one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from actors.offers import Key

LOOK_SECONDS = 1.0
"""Between two looks whether the gateways that are waited for are still there."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a gateway said last: the tick of the roll that it has switched to, and old versions that have runs."""

    tick: int
    busy: frozenset[Key]


class Gatehouse:
    """Every gateway that ever reported and is alive. `is_alive` says whether a gateway's process is there."""

    def __init__(self, is_alive: Callable[[str], Awaitable[bool]]) -> None:
        self._is_alive = is_alive
        self._reports: dict[str, Report] = {}
        self._news = asyncio.Event()

    def report(self, gateway: str, tick: int, busy: frozenset[Key]) -> None:
        """Note what a gateway says."""
        self._reports[gateway] = Report(tick, busy)
        self._news.set()

    async def switched(self, tick: int) -> None:
        """Return when every gateway has switched to that roll, or to a later one."""
        await self._until(lambda report: report.tick >= tick)

    async def drained(self, key: Key) -> None:
        """Return when no gateway has a run on that version."""
        await self._until(lambda report: key not in report.busy)

    async def _until(self, condition: Callable[[Report], bool]) -> None:
        while waited_for := [name for name, report in self._reports.items() if not condition(report)]:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
                continue
            for name in waited_for:
                if not await self._is_alive(name):
                    self._reports.pop(name, None)
