"""The answer of one run that goes on without its client: all that was said, for whoever comes to read it.

Readers come and go, each from any place on, and slow ones slow nobody down. What is kept is bounded by the answer itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from time import monotonic

from workflows.answer import AnswerEvent

WINDOW_SECONDS = 0.03
"""How long a reader waits for more to come along: an item between Ray actors costs up to a millisecond of CPU."""


class AnswerLog:
    """Events of one answer in order."""

    def __init__(self) -> None:
        self._events: list[AnswerEvent] = []
        self._more = asyncio.Event()
        self.ended_at: float | None = None

    def add(self, event: AnswerEvent) -> None:
        """Say more."""
        self._events.append(event)
        self._wake()

    def end(self) -> None:
        """Nothing more will be said."""
        self.ended_at = monotonic()
        self._wake()

    async def read(self, after: int) -> AsyncGenerator[list[AnswerEvent], None]:
        """Everything behind the first `after` events, in batches, until the end."""
        place = after
        while True:
            more, ended = self._more, self.ended_at is not None
            if place < len(self._events):
                batch = self._events[place:]
                place += len(batch)
                yield batch
                await asyncio.sleep(0 if ended else WINDOW_SECONDS)
            elif ended:
                return
            else:
                await more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()
