"""The journal as lines of JSON, one run in each, for other programs and for safekeeping.

    {"format": 1, "run": {...}, "events": [{"seq": 17, "kind": "run_started", ...}, ...]}

`run` has the fields of `workflows.replay.RunSummary`, each event those of its class in `workflows.events` and its place
in the journal. Times are Unix seconds, costs US dollars. Memory is bounded by the largest run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from actors.journal.store import PAGE, JournalStore, Recorded, RunQuery
from workflows.events import event_adapter
from workflows.replay import RunSummary

FORMAT = 1
_RUNS = 200


def exported(store: JournalStore, since: float | None = None) -> Iterator[str]:
    """Every run that began at the Unix time `since` or later, newest first, a line for each."""
    before: str | None = None
    while page := store.runs(RunQuery(limit=_RUNS, since=since, before=before)):
        yield from (exported_run(store, summary) for summary in page)
        before = page[-1].run_id


def exported_run(store: JournalStore, summary: RunSummary) -> str:
    """One run as a line, without its line break."""
    events = [
        {"seq": recorded.seq, **event_adapter.dump_python(recorded.event)}
        for recorded in _events(store, summary.run_id)
    ]
    # In ASCII: halves of emojis, which come from streams that were cut, are no UTF-8.
    return json.dumps({"format": FORMAT, "run": asdict(summary), "events": events})


def _events(store: JournalStore, run_id: str) -> Iterator[Recorded]:
    after = 0
    while page := store.events(run_id, after, PAGE):
        yield from page
        after = page[-1].seq
