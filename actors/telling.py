"""How a panel is doing, told while it runs to whoever waits for the answer.

    coordinator: events on their way to the journal -> Watched -> lines of a story
    conversation: said_during(working, stories) -> lines for the client

Only short lines cross between the processes, and only for runs whose client wants them: following the journal
itself would read every prompt and answer again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from actors.orders import PanelOrder
from actors.recorder import Journal
from actors.watched import Watched, Watcher
from workflows.events import Event
from workflows.progress import Narrator

LINGER_SECONDS = 5.0
"""How long a finished story is kept for whoever has not heard its end."""
LAST_WORDS_SECONDS = 0.2
"""How long the last lines are waited for once the work is done."""


@dataclass(frozen=True, slots=True)
class Told:
    """More of a story: its next lines, and whether these were the last."""

    lines: tuple[str, ...]
    is_over: bool


@dataclass(slots=True)
class _Story:
    lines: list[str] = field(default_factory=list)
    has_teller: bool = False
    is_over: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hearing(self, narrator: Narrator) -> Watcher:
        """What tells each event in here."""

        def hear(event: Event) -> None:
            if lines := narrator.tell(event):
                self.lines += lines
                self.wake()

        return hear

    def wake(self) -> None:
        """Have everybody who waits look again."""
        self.news.set()
        self.news = asyncio.Event()


class Stories:
    """The panels of one process that somebody follows."""

    def __init__(self) -> None:
        self._stories: dict[tuple[str, str], _Story] = {}

    @contextmanager
    def told(self, order: PanelOrder, journal: Journal) -> Iterator[Journal]:
        """The journal for a panel's events; it tells them, too, where the order says so."""
        if not order.is_told:
            yield journal
            return
        key = (order.run_id, order.use.step_id)
        story = self._stories.setdefault(key, _Story())
        story.has_teller = True
        try:
            yield Watched(journal, story.hearing(Narrator(order.workflow, order.use.tool)))
        finally:
            story.is_over = True
            story.wake()
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stories.pop, key, None)

    async def after(self, run_id: str, step_id: str, place: int, within: float) -> Told:
        """The lines behind the first `place`; waits up to `within` seconds for one.

        A listener may come before the teller: orders to an actor overtake each other.
        """
        key = (run_id, step_id)
        story = self._stories.setdefault(key, _Story())
        if len(story.lines) <= place and not story.is_over:
            with suppress(TimeoutError):
                await asyncio.wait_for(story.news.wait(), within)
        if not story.has_teller:
            self._stories.pop(key, None)
            return Told((), is_over=True)
        return Told(tuple(story.lines[place:]), story.is_over)


async def said_during(
    working: asyncio.Future[Any], stories: Sequence[AsyncGenerator[str, None]]
) -> AsyncGenerator[str, None]:
    """Yield the lines of all `stories` until `working` is done.

    Closing the generator cancels the work. Nothing that goes wrong with a story harms it.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    readers = [asyncio.ensure_future(_read(story, lines)) for story in stories]
    ending = asyncio.ensure_future(_end(working, readers, lines))
    try:
        while (line := await lines.get()) is not None:
            yield line
    finally:
        tasks = (working, ending, *readers)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(story: AsyncGenerator[str, None], lines: asyncio.Queue[str | None]) -> None:
    async with aclosing(story):
        async for line in story:
            lines.put_nowait(line)


async def _end(
    working: asyncio.Future[Any], readers: Sequence[asyncio.Future[None]], lines: asyncio.Queue[str | None]
) -> None:
    await asyncio.wait([working])
    if readers:
        await asyncio.wait(readers, timeout=LAST_WORDS_SECONDS)
    lines.put_nowait(None)
