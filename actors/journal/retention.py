"""How long the journal keeps runs: which are too old or too many, and their removal with all that only they refer to.

Runs that are under way are never removed. The newest are kept: read from the newest on, each run takes the room of its
events, and of those contents that no newer run refers to; what lies behind the limit goes. So a plan says exactly
what removing will free, and which contents nothing will refer to any more.

A plan is read without keeping anybody from writing; it is carried out in short transactions, between which others
write. What was written since the plan is looked at again before a content is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select

from actors.journal import dialects
from actors.journal.contents import references
from actors.journal.limits import Plan, Retention
from actors.journal.tables import contents, events, runs

_PAGE = 200
_RUNNING = "running"


class SqlRetention:
    """Plans and removes; safe to use from several threads."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader

    def plan(self, retention: Retention, now: float) -> Plan:
        """What is to go at the Unix time `now`; raises `JournalUnavailable`."""
        made, held, sizes = Plan(), set[str](), dict[str, int]()
        oldest = float("-inf") if retention.older_than is None else now - retention.older_than
        room = float("inf") if retention.max_size is None else retention.max_size
        with dialects.translated(), self._reader.begin() as connection:
            made.read_to = connection.scalar(select(func.max(events.c.seq))) or 0
            for page in _pages_of_runs(connection):
                for run, size, parts in _weighed(connection, page, sizes):
                    whole = size + sum(sizes.get(part, 0) for part in parts - held)
                    full = made.size + whole > room
                    if full:
                        room = made.size  # so that nothing older slips in because it is smaller
                    if (full or run.started_at < oldest) and run.status != _RUNNING:
                        made.runs.append(run.run_id)
                        made.freed += size
                        made.garbage |= parts - held
                    else:
                        made.kept += 1
                        made.size += whole
                        held |= parts
        made.garbage -= held
        made.freed += sum(sizes.get(part, 0) for part in made.garbage)
        return made

    def remove_runs(self, plan: Plan) -> Iterator[int]:
        """Remove the plan's runs, one short transaction at a time; yields how many went. Then `remove_contents`."""
        for some in _chunks(plan.runs):
            with dialects.translated(), self._writer.begin() as connection:
                gone = connection.execute(
                    delete(runs).where(runs.c.run_id.in_(some), runs.c.status != _RUNNING)
                )
                yield gone.rowcount

    def remove_contents(self, plan: Plan) -> Iterator[int]:
        """Remove what nothing refers to any more, likewise."""
        for some in _chunks(sorted(plan.garbage)):
            with dialects.translated(), self._writer.begin() as connection:
                useless = set(some) - _needed(connection, plan)
                gone = connection.execute(delete(contents).where(contents.c.hash.in_(useless)))
                yield gone.rowcount
        with dialects.translated(), self._writer.begin() as connection:
            dialects.give_back_room(connection)


def _pages_of_runs(connection: Connection) -> Iterator[Sequence[Any]]:
    """Every run, newest first."""
    chosen = select(runs.c.number, runs.c.run_id, runs.c.status, runs.c.started_at)
    before: int | None = None
    while True:
        statement = chosen.order_by(runs.c.number.desc()).limit(_PAGE)
        page = connection.execute(
            statement if before is None else statement.where(runs.c.number < before)
        ).all()
        if not page:
            return
        yield page
        before = page[-1].number


def _weighed(
    connection: Connection, page: Sequence[Any], sizes: dict[str, int]
) -> Iterator[tuple[Any, int, set[str]]]:
    """Each run with the bytes of its events and the contents that it refers to, whose bytes are put into `sizes`."""
    bodies: dict[str, int] = {}
    referred: dict[str, set[str]] = {}
    statement = select(events.c.run_id, func.length(events.c.body).label("size"), events.c.refs)
    for row in connection.execute(statement.where(events.c.run_id.in_([run.run_id for run in page]))):
        bodies[row.run_id] = bodies.get(row.run_id, 0) + row.size + len(row.refs or "")
        referred.setdefault(row.run_id, set()).update(digest for _, digest in references(row.refs))
    for some in _chunks(sorted(set[str]().union(*referred.values()) - sizes.keys())):
        stored = select(contents.c.hash, func.length(contents.c.data)).where(contents.c.hash.in_(some))
        sizes.update((digest, size) for digest, size in connection.execute(stored))
    for run in page:
        yield run, bodies.get(run.run_id, 0), referred.get(run.run_id, set())


def _needed(connection: Connection, plan: Plan) -> set[str]:
    """What events refer to that the plan did not see, or whose runs stayed after all."""
    newer = select(events.c.refs).where(events.c.seq > plan.read_to, events.c.refs.is_not(None))
    found = {digest for refs in connection.scalars(newer) for _, digest in references(refs)}
    for some in _chunks(plan.runs):
        stayed = select(events.c.refs).where(events.c.run_id.in_(some), events.c.refs.is_not(None))
        found |= {digest for refs in connection.scalars(stayed) for _, digest in references(refs)}
    return found


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _PAGE] for start in range(0, len(values), _PAGE))
