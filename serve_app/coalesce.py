"""Turn a stream of events into a stream of batches, where a hop between processes costs more than an event.

A streamed item between Ray actors costs up to a millisecond of CPU on both sides; thirty to forty milliseconds of
tokens in one item are not felt by a reader and cost a tenth.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

WINDOW_SECONDS = 0.03
MAX_BATCH = 512
"""Events that may wait; a reader that is slower than that slows the writer down."""


async def coalesced(
    events: AsyncIterator[T], window: float = WINDOW_SECONDS
) -> AsyncGenerator[list[T], None]:
    """Yield events in batches: the first at once, then at most one batch per `window` seconds.

    Closing the generator closes `events`.
    """
    queue: asyncio.Queue[T | None] = asyncio.Queue(MAX_BATCH)
    pump = asyncio.ensure_future(_pump(events, queue))
    sent_at = 0.0
    try:
        while True:
            first = await queue.get()
            if first is not None and (pause := sent_at + window - monotonic()) > 0:
                await asyncio.sleep(pause)
            batch = [first, *(queue.get_nowait() for _ in range(queue.qsize()))]
            if items := [event for event in batch if event is not None]:
                yield items
                sent_at = monotonic()
            if len(items) < len(batch):
                await pump
                return
    finally:
        pump.cancel()
        await asyncio.wait([pump])


async def _pump(events: AsyncIterator[T], queue: asyncio.Queue[T | None]) -> None:
    """Fill the queue; None marks the end, also when `events` raises: whoever reads then awaits this task."""
    try:
        async for event in events:
            await queue.put(event)
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
        if not (task := asyncio.current_task()) or not task.cancelling():
            await queue.put(None)
