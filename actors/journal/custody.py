"""Who drives which run, decided in the database, where everybody who writes takes turns.

A driver (a process that answers runs) says every now and then that it lives. A run that is `running` while its driver has
been silent for too long is an orphan: one that is kept is claimed by another driver, any other is closed. Both happen in
one transaction with the events that say so; thus two drivers never claim one run.

Functions over a connection of the writer; `sql` wraps them in transactions.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, or_, select

from actors.journal import dialects
from actors.journal.store import Claim, Retake, can_be_retaken
from actors.journal.tables import drivers, runs
from workflows.events import Event, RunCancelled, RunResumed


def seen(connection: Connection, engine: Engine, driver: str, at: float) -> None:
    """A driver lives."""
    said = dialects.upsert(engine, drivers).values(id=driver, seen_at=at)
    connection.execute(
        said.on_conflict_do_update(index_elements=["id"], set_={"seen_at": said.excluded["seen_at"]})
    )


def forget(connection: Connection, prefix: str, but: str) -> None:
    """Drivers whose names begin with `prefix` are dead, all but those that begin with `but`."""
    names = drivers.c.id
    connection.execute(
        delete(drivers).where(
            names.startswith(prefix, autoescape=True), names.not_like(f"{_literal(but)}%", escape="\\")
        )
    )


def claimed(connection: Connection, claim: Claim) -> list[Event]:
    """The events by which `claim.driver` takes the kept runs of dead drivers."""
    orphaned = _driver_is_dead(claim.silent_since)
    wanted = or_(orphaned, runs.c.driver == claim.driver) if claim.own else orphaned
    found = connection.execute(
        select(runs)
        .where(runs.c.status == "running", runs.c.kept, wanted)
        .order_by(runs.c.number)
        .limit(claim.limit)
    )
    return [_resumed(row, claim.driver, claim.at) for row in found]


def closed(connection: Connection, silent_since: float, at: float) -> list[Event]:
    """The events that end the runs which nobody keeps and whose drivers are dead."""
    found = connection.execute(
        select(runs).where(
            runs.c.status == "running",
            ~runs.c.kept,
            # Its driver may not have said yet that it lives.
            runs.c.started_at < silent_since,
            _driver_is_dead(silent_since),
        )
    )
    return [_cancelled(row, "lost", at) for row in found]


def ended(connection: Connection, drivers_prefix: str, reason: str, at: float) -> list[Event]:
    """The events that end the runs which nobody keeps and these drivers answer."""
    found = connection.execute(
        select(runs).where(
            runs.c.status == "running",
            ~runs.c.kept,
            runs.c.driver.startswith(drivers_prefix, autoescape=True),
        )
    )
    return [_cancelled(row, reason, at) for row in found]


def asked_before(connection: Connection, wish: Retake) -> Row[tuple[object, ...]] | None:
    """The latest run that was asked the same."""
    return connection.execute(
        select(runs)
        .where(
            runs.c.fingerprint == wish.fingerprint,
            runs.c.virtual_model == wish.virtual_model,
            runs.c.started_at >= wish.since,
        )
        .order_by(runs.c.number.desc())
        .limit(1)
    ).one_or_none()


def retaken(connection: Connection, wish: Retake) -> tuple[Row[tuple[object, ...]] | None, list[Event]]:
    """The latest run that was asked the same, and the event that takes it when it ended without an answer."""
    row = asked_before(connection, wish)
    if row is None or not can_be_retaken(row.status, kept=row.kept):
        return row, []
    return row, [_resumed(row, wish.driver, wish.at)]


def reopened(connection: Connection, run_id: str, driver: str, at: float) -> list[Event]:
    """The event by which a driver goes on with a kept run that ended without an answer."""
    row = connection.execute(select(runs).where(runs.c.run_id == run_id, runs.c.kept)).one_or_none()
    if row is None or row.status not in {"failed", "cancelled"}:
        return []
    return [_resumed(row, driver, at)]


def _driver_is_dead(silent_since: float) -> ColumnElement[bool]:
    alive = select(drivers.c.id).where(drivers.c.seen_at >= silent_since)
    return runs.c.driver.not_in(alive)


def _resumed(row: Row[tuple[object, ...]], driver: str, at: float) -> RunResumed:
    number = row.resumptions + 1
    return RunResumed(id=f"{row.run_id}:resumed:{number}", run_id=row.run_id, at=at, driver=driver)


def _cancelled(row: Row[tuple[object, ...]], reason: str, at: float) -> RunCancelled:
    return RunCancelled(
        id=f"{row.run_id}:{reason}:{row.resumptions}", run_id=row.run_id, at=at, reason=reason
    )


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
