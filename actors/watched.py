"""A journal that others look at: each event of a run is shown to its watchers on its way to the store.

Whatever happens in a run becomes an event, once, in the process where it happens. So metrics and log lines are
readings of events (`actors.run_metrics`, `actors.run_log`), and no driver has to know of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from actors.recorder import Journal
from workflows.events import Event

log = logging.getLogger(__name__)

Watcher: TypeAlias = Callable[[Event], None]


class Watched:
    """A journal with watchers. They must be quick; one that fails is logged and costs nothing else."""

    def __init__(self, inner: Journal, *watchers: Watcher) -> None:
        self._inner = inner
        self._watchers = watchers

    async def append(self, events: Sequence[Event]) -> None:
        """Show the events, then store them."""
        self._show(events)
        await self._inner.append(events)

    def append_soon(self, events: Sequence[Event]) -> None:
        """Show the events, then have them stored shortly."""
        self._show(events)
        self._inner.append_soon(events)

    def _show(self, events: Sequence[Event]) -> None:
        for event in events:
            for watcher in self._watchers:
                try:
                    watcher(event)
                except Exception as error:  # noqa: BLE001  # a run must not fail because somebody looked at it
                    log.warning("%s of %s: %s", type(error).__name__, event.kind, watcher.__qualname__)
