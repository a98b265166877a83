"""What a journal must be able to do, whichever database is below. Synchronous: the writer puts it on threads.

Every method raises `JournalUnavailable` when the database cannot be reached or does not do as it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workflows.events import Event, RunFinished
from workflows.replay import RunStatus, RunSummary

PAGE = 10_000
"""Events that one read returns at most; more than any run has."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the journal: places grow, and no event is later put before one that was read."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs to list, newest first.

    Attributes:
        virtual_model: only runs of this one.
        status: only runs that stand so.
        since: Unix time in seconds; only runs that began then or later.
        before: a run id; only runs that the journal got to know before that one (the next page).
        limit: how many at most.
    """

    virtual_model: str | None = None
    status: RunStatus | None = None
    since: float | None = None
    before: str | None = None
    limit: int = 50


class JournalStore(Protocol):
    """An append-only store of events with a list of runs beside it."""

    def append(self, events: Sequence[Event]) -> None:
        """Store the events in one transaction, each id once."""

    def events(self, run_id: str, after: int = 0, limit: int = PAGE) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`, oldest first; none for an unknown run."""

    def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        """How these runs finished, in any order; nothing of a run that did not, or that is unknown."""

    def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """The runs that match, newest first."""

    def summary(self, run_id: str) -> RunSummary | None:
        """One run's line in the list; None for an unknown run."""

    def close(self) -> None:
        """Give up every connection."""
