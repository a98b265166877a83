"""Outcomes on their way from a lane to whoever ordered the calls: kept until they are known to have arrived.

A Ray call that is answered costs a millisecond of CPU over both processes, so outcomes that land within one answer's time
travel together, and a fast call never waits for a slow one: a waiting reader is answered with the first outcome that
there is. An answer that is lost on the way is given again, because the reader says how many it has heard.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from time import monotonic

from actors.orders import Landed, Mail


class Mailbox:
    """The outcomes for one reader, who has heard so many before. Lives on one event loop."""

    def __init__(self, heard: int = 0) -> None:
        self._kept = deque[Landed]()
        self._forgotten = heard
        self._news = asyncio.Event()
        self.asked_at = monotonic()

    def put(self, landed: Landed) -> None:
        """Keep one more outcome."""
        self._kept.append(landed)
        self._news.set()

    async def after(self, heard: int, within: float) -> Mail:
        """Return the outcomes after the first `heard`, as soon as there is one; none when `within` seconds are over."""
        self.asked_at = monotonic()
        while self._forgotten < heard and self._kept:
            self._kept.popleft()
            self._forgotten += 1
        if not self._newer(heard):
            self._news.clear()
            try:
                async with asyncio.timeout(within):
                    await self._news.wait()
            except TimeoutError:
                return Mail(heard, ())
        return Mail(heard, self._newer(heard))

    def _newer(self, heard: int) -> tuple[Landed, ...]:
        return tuple(islice(self._kept, max(0, heard - self._forgotten), None))
