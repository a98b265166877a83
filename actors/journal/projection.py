"""The list of runs: summaries to rows of `tables.runs`, and back.

A batch of events yields the summary of what it says alone; the upsert merges it into what earlier batches said,
so that the row always equals `workflows.replay.summary_of` over all of the run's events.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, case, or_, select

from actors.journal import dialects
from actors.journal.store import RunQuery
from actors.journal.tables import runs
from workflows.errors import Failure
from workflows.events import Event
from workflows.replay import STRENGTH, RunSummary, summary_of

_FROM_START = ("virtual_model", "protocol", "trace_id", "fingerprint")
_FROM_ENDING = ("status", "ended_at", "panel", "error_code", "error")
_SUMS = ("input_tokens", "output_tokens", "cost_usd")


def rows(events: Iterable[Event]) -> list[dict[str, Any]]:
    """What these events alone say about their runs, one row for each."""
    by_run: dict[str, list[Event]] = {}
    for event in events:
        by_run.setdefault(event.run_id, []).append(event)
    return [_row(summary_of(story)) for story in by_run.values()]


def merge(engine: Engine) -> dialects.Upsert:
    """The statement that merges `rows` into the list.

    A start fills what is empty; the stronger ending wins, unless a resumption undid the one before; what was used adds
    up (and is NULL, unknown, as soon as one part is) until the run's finish says it all.
    """
    statement = dialects.upsert(engine, runs)
    new, old = statement.excluded, runs.c
    undone = and_(new["resumptions"] > 0, old["status"] != "ok")
    stronger = or_(undone, _strength(new["status"]) > _strength(old["status"]))
    changes: dict[str, ColumnElement[Any]] = {
        "started_at": case(
            (new["started_at"] < old["started_at"], new["started_at"]), else_=old["started_at"]
        )
    }
    for name in _FROM_START:
        changes[name] = case((old[name] != "", old[name]), else_=new[name])
    changes["kept"] = or_(old["kept"], new["kept"])
    changes["driver"] = case(
        (or_(new["resumptions"] > 0, old["driver"] == ""), new["driver"]), else_=old["driver"]
    )
    changes["resumptions"] = old["resumptions"] + new["resumptions"]
    for name in _FROM_ENDING:
        changes[name] = case((stronger, new[name]), else_=old[name])
    for name in _SUMS:
        changes[name] = case(
            (old["status"] == "ok", old[name]),
            (new["status"] == "ok", new[name]),
            else_=old[name] + new[name],
        )
    return statement.on_conflict_do_update(index_elements=["run_id"], set_=changes)


def listing(query: RunQuery) -> Select[Any]:
    """The rows that match, newest first."""
    statement = select(runs).order_by(runs.c.number.desc()).limit(query.limit)
    if query.virtual_model is not None:
        statement = statement.where(runs.c.virtual_model == query.virtual_model)
    if query.status is not None:
        statement = statement.where(runs.c.status == query.status)
    if query.kept:
        statement = statement.where(runs.c.kept)
    if query.since is not None:
        statement = statement.where(runs.c.started_at >= query.since)
    if query.before is not None:
        known = select(runs.c.number).where(runs.c.run_id == query.before).scalar_subquery()
        statement = statement.where(runs.c.number < known)
    return statement


def summary(row: Row[Any]) -> RunSummary:
    """A row as a value."""
    return RunSummary(
        run_id=row.run_id,
        virtual_model=row.virtual_model,
        protocol=row.protocol,
        status=row.status,
        started_at=row.started_at,
        ended_at=row.ended_at,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=row.cost_usd,
        panel=row.panel,
        error=Failure(**json.loads(row.error)) if row.error else None,
        trace_id=row.trace_id,
        kept=row.kept,
        driver=row.driver,
        fingerprint=row.fingerprint,
        resumptions=row.resumptions,
    )


def _row(summary: RunSummary) -> dict[str, Any]:
    return {
        "run_id": summary.run_id,
        "virtual_model": summary.virtual_model,
        "protocol": summary.protocol,
        "status": summary.status,
        "started_at": summary.started_at,
        "ended_at": summary.ended_at,
        "input_tokens": summary.input_tokens,
        "output_tokens": summary.output_tokens,
        "cost_usd": summary.cost_usd,
        "panel": summary.panel,
        "error_code": summary.error.code if summary.error else None,
        "error": json.dumps(asdict(summary.error)) if summary.error else None,
        "trace_id": summary.trace_id,
        "kept": summary.kept,
        "driver": summary.driver,
        "fingerprint": summary.fingerprint,
        "resumptions": summary.resumptions,
    }


def _strength(status: ColumnElement[str]) -> ColumnElement[int]:
    return case(*((status == name, strength) for name, strength in STRENGTH.items()), else_=0)
