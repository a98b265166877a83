"""The journal, read straight from its database: no cluster is needed to look at what happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from actors.journal.sql import SqlStore, open_store
from actors.journal.store import JournalStore, RunQuery
from cluster.settings import Settings
from workflows.errors import RunNotFound, SetupInvalid, UsageError
from workflows.replay import RunSummary, RunView, run_view
from workflows.spec import WorkflowSpec

LAST = "last"
"""Stands for the newest run's id."""

_PAGE = 500
_PREFIX = "run_"


@contextmanager
def history(settings: Settings) -> Iterator[SqlStore]:
    """The journal's store, read-only, closed at the end."""
    store = open_store(settings.database_url, read_only=True)
    try:
        yield store
    finally:
        store.close()


def active(settings: Settings) -> tuple[WorkflowSpec, ...]:
    """The workflows that are published; none without a journal, or in one from before there were publications."""
    try:
        with history(settings) as store:
            histories = store.publications.histories()
    except SetupInvalid:
        return ()
    return tuple(found.active.spec() for found in histories if found.active)


def read_run(settings: Settings, name: str) -> RunView:
    """One run by its id, an unambiguous beginning of it (`run_` may be left out), or ``last``.

    Raises:
        RunNotFound: there is none.
        UsageError: several begin so.
        JournalUnavailable: the database cannot be read.
    """
    with history(settings) as store:
        run_id = _resolve(store, name)
        return run_view(recorded.event for recorded in store.events(run_id))


def _resolve(store: JournalStore, name: str) -> str:
    if name == LAST:
        newest = store.runs(RunQuery(limit=1))
        if not newest:
            raise UsageError("There are no runs yet. `stellarator demo` makes one.")
        return newest[0].run_id
    if store.summary(name) is not None:
        return name
    beginning = _PREFIX + name.removeprefix(_PREFIX)
    found = [run.run_id for run in _all(store) if run.run_id.startswith(beginning)]
    if not found:
        raise RunNotFound(name)
    if len(found) > 1:
        shown = ", ".join(found[:3])
        raise UsageError(f"{len(found)} runs begin with `{name}` (such as {shown}). Give more of the id.")
    return found[0]


def _all(store: JournalStore) -> Iterator[RunSummary]:
    """Every run, newest first, a page at a time."""
    before: str | None = None
    while page := store.runs(RunQuery(before=before, limit=_PAGE)):
        yield from page
        before = page[-1].run_id
