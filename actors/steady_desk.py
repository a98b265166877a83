"""A desk that is always there: the cluster's while it can be reached, and one of this process' own while it cannot.

While the cluster's is restarted, which takes about two seconds, calls wait. When it stays away (its node, or the
cluster's head), this process keeps its share of the limits by itself, by the number of seats that it last heard of: no
call waits for good, and none is made without bounds.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic

from actors.quotas import Desk, News, Quotas, Word
from workflows.errors import ClusterError

PATIENCE_SECONDS = 5.0
"""How much longer than it should the cluster's desk may take."""
AWAY_SECONDS = 10.0
"""After which a desk is away, and not only restarted."""
START_SECONDS = 60.0
"""How long its first start may take, on a machine that is busy with others."""
RETRY_SECONDS = 2.0


class SteadyDesk:
    """Wraps the cluster's desk."""

    def __init__(self, remote: Desk) -> None:
        self._remote = remote
        self._local: Quotas | None = None
        self._seats = 0
        self._away_since: float | None = None
        self._retry_at = 0.0

    async def tell(self, seat: str, news: News) -> Word:
        """Take news; raises `ClusterError` while the desk may be back in a moment."""
        if self._local is not None and monotonic() < self._retry_at:
            return await self._local.tell(seat, news)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                word = await self._remote.tell(seat, news)
        except (ClusterError, TimeoutError):
            return await self._without(seat, news)
        self._seats, self._away_since = word.seats, None
        if self._local is not None:
            self._local = None
            # What was told here meanwhile it does not know.
            word = replace(word, stranger=not news.everything)
        return word

    async def listen(self, seat: str, within: float) -> Word:
        """Return what there is to say."""
        desk = self._local or self._remote
        try:
            async with asyncio.timeout(within + PATIENCE_SECONDS):
                return await desk.listen(seat, within)
        except TimeoutError:
            raise ClusterError("the keeper of the limits does not answer") from None

    async def _without(self, seat: str, news: News) -> Word:
        now = monotonic()
        self._away_since = self._away_since or now
        patience = AWAY_SECONDS if self._seats else START_SECONDS
        if self._local is None and now - self._away_since < patience:
            raise ClusterError("the keeper of the limits is away")
        self._local = self._local or Quotas(restarted=True, share=max(1, self._seats))
        self._retry_at = now + RETRY_SECONDS
        return await self._local.tell(seat, news)
