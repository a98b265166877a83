"""What a journal must be able to do, whichever database is below. Synchronous: the writer puts it on threads.

Every method raises `JournalUnavailable` when the database cannot be reached or does not do as it is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        kept: only runs that go on without their clients.
        since: Unix time in seconds; only runs that began then or later.
        before: a run id; only runs that the journal got to know before that one (the next page).
        limit: how many at most.
    """

    virtual_model: str | None = None
    status: RunStatus | None = None
    kept: bool = False
    since: float | None = None
    before: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which runs a driver wants.

    Attributes:
        driver: who wants them.
        silent_since: Unix time in seconds; drivers that were not heard of since then are taken for dead.
        at: Unix time in seconds, now.
        own: also those that an earlier life of this very driver left. Only when there can be no other life of it.
        limit: how many at most.
    """

    driver: str
    silent_since: float
    at: float
    own: bool = False
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Retake:
    """A request that may ask again what a recent run was asked.

    Attributes:
        fingerprint: the request's.
        virtual_model: whom it asks.
        since: Unix time in seconds; older runs do not matter.
        driver: who would go on with the run.
        at: Unix time in seconds, now.
    """

    fingerprint: str
    virtual_model: str
    since: float
    driver: str
    at: float


def can_be_retaken(status: RunStatus, *, kept: bool) -> bool:
    """Whether a run that is asked again is gone on with: it ended without an answer, and has no keeper."""
    return not kept and status in {"failed", "cancelled"}


class JournalStore(Protocol):
    """An append-only store of events with a list of runs beside it."""

    def append(self, events: Sequence[Event]) -> None:
        """Store the events in one transaction, each id once."""

    def events(self, run_id: str, after: int = 0, limit: int = PAGE) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`, oldest first; none for an unknown run."""

    def stories(self, run_ids: Sequence[str]) -> Mapping[str, tuple[Event, ...]]:
        """The events of these runs, oldest first; nothing of an unknown run."""

    def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        """How these runs finished, in any order; nothing of a run that did not, or that is unknown."""

    def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """The runs that match, newest first."""

    def summary(self, run_id: str) -> RunSummary | None:
        """One run's line in the list; None for an unknown run."""

    def seen(self, driver: str, at: float) -> None:
        """Note that a driver lives at `at`, Unix time in seconds."""

    def forget(self, prefix: str, but: str) -> None:
        """Take all drivers whose names begin with `prefix` for dead, but those that begin with `but`."""

    def claim(self, claim: Claim) -> tuple[str, ...]:
        """Give a driver the kept runs of dead drivers; return their ids. Each gets a `RunResumed`."""

    def close_lost(self, silent_since: float, at: float) -> tuple[str, ...]:
        """End the runs that nobody keeps and whose drivers have been silent since then; return their ids."""

    def end(self, drivers_prefix: str, reason: str, at: float) -> tuple[str, ...]:
        """End the runs that nobody keeps and that drivers with such names answer; return their ids."""

    def reopen(self, run_id: str, driver: str, at: float) -> tuple[str, ...]:
        """Give a driver a kept run that ended without an answer; return its id, or nothing when it did not."""

    def asked_before(self, wishes: Sequence[Retake]) -> tuple[RunSummary | None, ...]:
        """Of each wish the latest run that was asked the same."""

    def retake(self, wish: Retake) -> tuple[RunSummary | None, bool]:
        """The latest run that was asked the same, as it stood, and whether it was given to `wish.driver` now."""

    def close(self) -> None:
        """Give up every connection."""
