"""The versions that this gateway answers with: switched while it runs, and closed when their last run is over.

A run is counted on its version from its first moment to its end. Switching happens between two requests, on the
same event loop, so a version that is no longer on the roll gets no further run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from actors.offers import Key, Offering, Roll
from workflows.answer import AnswerEvent, RunRequest
from workflows.errors import UnknownVirtualModel

log = logging.getLogger(__name__)


class Home(Protocol):
    """Where one version answers."""

    def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Answer one request; closing the iterator cancels the run."""
        ...

    async def aclose(self) -> None:
        """Give up what it holds; no run is under way."""
        ...


@dataclass(slots=True, eq=False)
class Version:
    """One version in this process, and how many of its runs are under way here."""

    offering: Offering
    home: Home
    runs: int = 0


class Roster:
    """Knows which version answers to which name. `open_home` makes a version ready to answer."""

    def __init__(self, open_home: Callable[[Offering], Awaitable[Home]]) -> None:
        self._open_home = open_home
        self._live: dict[str, Version] = {}
        self._old: list[Version] = []
        self._closing: set[asyncio.Task[None]] = set()
        self.quiet = asyncio.Event()

    def offerings(self) -> tuple[Offering, ...]:
        """What answers now."""
        return tuple(version.offering for version in self._live.values())

    def find(self, name: str) -> Offering:
        """What answers to that name; raises `UnknownVirtualModel`."""
        return self._version(name).offering

    @property
    def busy(self) -> frozenset[Key]:
        """Old versions that still have runs here."""
        return frozenset(version.offering.key for version in self._old)

    async def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Run it on the version that answers now, to its end."""
        version = self._version(run.virtual_model)
        version.runs += 1
        try:
            async with aclosing(version.home.answer(run)) as events:
                async for event in events:
                    yield event
        finally:
            version.runs -= 1
            self._close_if_over(version)

    async def switch(self, roll: Roll) -> None:
        """Answer with what is on the roll from now on.

        A name whose version cannot be made ready answers as it did; then the reason is raised, after all other names
        have been switched.
        """
        opened, failed = await self._open([offering for offering in roll.live if not self._has(offering)])
        before, self._live = self._live, {}
        for offering in roll.live:
            name = offering.publication.virtual_model
            if home := opened.get(offering.key):
                self._live[name] = Version(offering, home)
            elif name in before:
                self._live[name] = before.pop(name)
        for version in before.values():
            self._old.append(version)
            self._close_if_over(version)
        if failed:
            raise failed[0]

    async def _open(self, offerings: Sequence[Offering]) -> tuple[dict[Key, Home], Sequence[BaseException]]:
        """Versions made ready, and why others could not be."""
        homes = await asyncio.gather(*map(self._open_home, offerings), return_exceptions=True)
        keyed = zip((offering.key for offering in offerings), homes, strict=True)
        opened = {key: home for key, home in keyed if not isinstance(home, BaseException)}
        return opened, [home for home in homes if isinstance(home, BaseException)]

    def _has(self, offering: Offering) -> bool:
        version = self._live.get(offering.publication.virtual_model)
        return version is not None and version.offering.key == offering.key

    def _version(self, name: str) -> Version:
        if name not in self._live:
            raise UnknownVirtualModel(name, tuple(self._live))
        return self._live[name]

    def _close_if_over(self, version: Version) -> None:
        if version.runs or version not in self._old:
            return
        self._old.remove(version)
        self.quiet.set()
        task = asyncio.get_running_loop().create_task(version.home.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("an old version could not be closed (%s)", type(error).__name__)
