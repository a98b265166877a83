"""The journal in SQL, the same code for SQLite and PostgreSQL.

`append` is one transaction: it takes the turn to write, then writes contents, the list of runs and the events, each
with one executemany. An event that is stored already makes it fail as a whole; it is then repeated without what is
stored, which is exact, as there is one writer at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from threading import Lock
from typing import Literal, TypeVar

from sqlalchemy import URL, Column, Connection, Engine, Select, insert, select
from sqlalchemy.exc import IntegrityError

from actors.journal import custody, dialects, projection, schema
from actors.journal.contents import Packed, compressed, decompressed, pack, references, unpack
from actors.journal.publications import SqlPublications
from actors.journal.retention import SqlRetention
from actors.journal.store import PAGE, Claim, Recorded, Retake, RunQuery
from actors.journal.tables import contents, events, runs
from workflows.events import Event, RunFinished
from workflows.replay import RunSummary

T = TypeVar("T")
READERS = 4
"""Connections for reading; one read more waits for one of them."""

_FINISHED: Literal["run_finished"] = "run_finished"

_FEW = 4
"""Contents up to which a batch stores them without looking whether they are stored."""

_NAMED_AT_ONCE = 1000
"""Keys in one question; databases bound a statement's parameters."""


def open_store(url: str, *, read_only: bool = False) -> SqlStore:
    """The journal at this SQLAlchemy URL, made or brought up to date first.

    Read-only it changes nothing, needs no other part of Stellarator to run, and sees what others write meanwhile.

    Raises:
        SetupInvalid: not the URL of a journal, nothing there to read, or written by a newer version.
        JournalUnavailable: the database cannot be reached.
    """
    address = dialects.parse(url)
    writer, reader = _looking(address) if read_only else _writing(address)
    store = SqlStore(writer, reader)
    try:
        with dialects.translated():
            schema.require(reader)
    except BaseException:
        store.close()
        raise
    return store


def store_at(url: str) -> SqlStore:
    """The journal at this URL, made or brought up to date by whatever is asked of it first.

    For who has to live while the database is away: what `open_store` raises comes from the store's methods then.

    Raises:
        SetupInvalid: not the URL of a journal.
    """
    return SqlStore(*_writing(dialects.parse(url)))


def _looking(address: URL) -> tuple[Engine, Engine]:
    """Who reads only has no writing engine: the database itself refuses an append."""
    dialects.require_file(address)
    engine = dialects.reading_engine(address, READERS)
    return engine, engine


def _writing(address: URL) -> tuple[Engine, Engine]:
    """Engines for writing and reading; the first connection of either brings the schema up to date."""
    dialects.prepare_file(address)
    migrated = _Once(lambda: _migrate(address))
    return dialects.writing_engine(address, migrated), dialects.reading_engine(address, READERS, migrated)


class _Once:
    """Does something until it has worked, and never again; whoever comes meanwhile waits."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self._done = False
        self._doing = Lock()

    def __call__(self) -> None:
        with self._doing:
            if not self._done:
                self._do()
                self._done = True


def _migrate(address: URL) -> None:
    engine = dialects.writing_engine(address)
    try:
        schema.migrate(engine)
    finally:
        engine.dispose()


class SqlStore:
    """A `JournalStore`; safe to use from several threads."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._merge_runs = projection.merge(writer)
        self.publications = SqlPublications(writer, reader)
        self.retention = SqlRetention(writer, reader)
        self._keep_contents = dialects.upsert(writer, contents).on_conflict_do_nothing()

    def append(self, batch: Sequence[Event]) -> None:
        """Store the events, each id once; see `JournalStore`."""
        packed = {event_id: pack(event) for event_id, event in _first_of_each_id(batch).items()}
        if not packed:
            return
        with dialects.translated():
            try:
                with self._writer.begin() as connection:
                    self._insert(connection, list(packed.values()))
            except IntegrityError:
                # Somebody repeats himself. That is rare, so only now is it looked up what is stored already.
                with self._writer.begin() as connection:
                    self._insert(connection, _unknown(connection, packed))

    def seen(self, driver: str, at: float) -> None:
        """A driver lives; see `JournalStore`."""
        with dialects.translated(), self._writer.begin() as connection:
            custody.seen(connection, self._writer, driver, at)

    def forget(self, prefix: str, but: str) -> None:
        """Drivers are dead; see `JournalStore`."""
        with dialects.translated(), self._writer.begin() as connection:
            custody.forget(connection, prefix, but)

    def claim(self, claim: Claim) -> tuple[str, ...]:
        """Take the orphans that are kept; see `JournalStore`."""
        return self._decided(lambda connection: custody.claimed(connection, claim))

    def close_lost(self, silent_since: float, at: float) -> tuple[str, ...]:
        """End the orphans that nobody keeps; see `JournalStore`."""
        return self._decided(lambda connection: custody.closed(connection, silent_since, at))

    def end(self, drivers_prefix: str, reason: str, at: float) -> tuple[str, ...]:
        """End what these drivers answer; see `JournalStore`."""
        return self._decided(lambda connection: custody.ended(connection, drivers_prefix, reason, at))

    def reopen(self, run_id: str, driver: str, at: float) -> tuple[str, ...]:
        """Go on with a kept run that ended without an answer; see `JournalStore`."""
        return self._decided(lambda connection: custody.reopened(connection, run_id, driver, at))

    def asked_before(self, wishes: Sequence[Retake]) -> tuple[RunSummary | None, ...]:
        """Of each wish the latest run that was asked the same; see `JournalStore`."""
        with dialects.translated(), self._reader.begin() as connection:
            rows = [custody.asked_before(connection, wish) for wish in wishes]
        return tuple(row and projection.summary(row) for row in rows)

    def retake(self, wish: Retake) -> tuple[RunSummary | None, bool]:
        """Take a run that ended without an answer; see `JournalStore`."""
        with dialects.translated(), self._writer.begin() as connection:
            row, taken = custody.retaken(connection, wish)
            self._add(connection, {event.id: pack(event) for event in taken})
        return projection.summary(row) if row is not None else None, bool(taken)

    def events(self, run_id: str, after: int = 0, limit: int = PAGE) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`; see `JournalStore`."""
        statement = (
            select(events.c.seq, events.c.body, events.c.refs)
            .where(events.c.run_id == run_id, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(limit)
        )
        with dialects.translated(), self._reader.begin() as connection:
            rows = connection.execute(statement).all()
            parts = _contents(connection, {digest for row in rows for _, digest in references(row.refs)})
        return tuple(Recorded(row.seq, unpack(row.body, row.refs, parts)) for row in rows)

    def stories(self, run_ids: Sequence[str]) -> Mapping[str, tuple[Event, ...]]:
        """The events of these runs; see `JournalStore`."""
        found: dict[str, list[Event]] = {}
        for event in self._of(run_ids, select(events.c.body, events.c.refs).order_by(events.c.seq)):
            found.setdefault(event.run_id, []).append(event)
        return {run_id: tuple(story) for run_id, story in found.items()}

    def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        """How these runs finished; see `JournalStore`."""
        found = self._of(run_ids, select(events.c.body, events.c.refs).where(events.c.kind == _FINISHED))
        return tuple(event for event in found if isinstance(event, RunFinished))

    def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """The runs that match, newest first."""
        with dialects.translated(), self._reader.begin() as connection:
            return tuple(projection.summary(row) for row in connection.execute(projection.listing(query)))

    def summary(self, run_id: str) -> RunSummary | None:
        """One run's line in the list; None for an unknown run."""
        with dialects.translated(), self._reader.begin() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).one_or_none()
        return projection.summary(row) if row is not None else None

    def close(self) -> None:
        """Give up every connection."""
        self._reader.dispose()
        self._writer.dispose()

    def _of(self, run_ids: Sequence[str], statement: Select[tuple[str, str | None]]) -> Iterator[Event]:
        """The events of these runs that a statement picks."""
        with dialects.translated(), self._reader.begin() as connection:
            rows = [
                row
                for some in _pages(run_ids)
                for row in connection.execute(statement.where(events.c.run_id.in_(some)))
            ]
            parts = _contents(connection, {digest for row in rows for _, digest in references(row.refs)})
        return (unpack(row.body, row.refs, parts) for row in rows)

    def _decided(self, decide: Callable[[Connection], list[Event]]) -> tuple[str, ...]:
        """Store what `decide` decides, in the same transaction; return the runs that it is about."""
        with dialects.translated(), self._writer.begin() as connection:
            decided = decide(connection)
            self._add(connection, {event.id: pack(event) for event in decided})
        return tuple(event.run_id for event in decided)

    def _add(self, connection: Connection, packed: Mapping[str, Packed]) -> None:
        """Store the events that are not there yet."""
        self._insert(connection, _unknown(connection, packed))

    def _insert(self, connection: Connection, new: Sequence[Packed]) -> None:
        parts = {digest: part for item in new for digest, part in item.contents.items()}
        # A long conversation is mostly stored already: to look is cheaper than to compress it for nothing.
        stored = _present(connection, contents.c.hash, parts) if len(parts) > _FEW else ()
        if rows := [_content(digest, part) for digest, part in parts.items() if digest not in stored]:
            connection.execute(self._keep_contents, rows)
        if new:
            connection.execute(self._merge_runs, projection.rows(item.event for item in new))
            connection.execute(_INSERT_EVENTS, [_row(item) for item in new])


_INSERT_EVENTS = insert(events)


def _first_of_each_id(batch: Iterable[Event]) -> dict[str, Event]:
    found: dict[str, Event] = {}
    for event in batch:
        found.setdefault(event.id, event)
    return found


def _row(item: Packed) -> dict[str, object]:
    event = item.event
    return {
        "id": event.id,
        "run_id": event.run_id,
        "at": event.at,
        "kind": event.kind,
        "v": event.v,
        "body": item.body,
        "refs": item.refs,
    }


def _content(digest: str, part: bytes) -> dict[str, object]:
    return {"hash": digest, "data": compressed(part), "size": len(part)}


def _unknown(connection: Connection, packed: Mapping[str, Packed]) -> list[Packed]:
    """Those of these events that are not stored yet, by id."""
    stored = _present(connection, events.c.id, packed)
    return [item for event_id, item in packed.items() if event_id not in stored]


def _contents(connection: Connection, digests: Iterable[str]) -> dict[str, bytes]:
    """The stored parts under these hashes."""
    found: dict[str, bytes] = {}
    for some in _pages(digests):
        statement = select(contents.c.hash, contents.c.data).where(contents.c.hash.in_(some))
        found.update({row.hash: decompressed(row.data) for row in connection.execute(statement)})
    return found


def _present(connection: Connection, key: Column[str], values: Iterable[str]) -> set[str]:
    """Those of these keys that the table has."""
    return {
        value for some in _pages(values) for value in connection.scalars(select(key).where(key.in_(some)))
    }


def _pages(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while page := list(islice(rest, _NAMED_AT_ONCE)):
        yield page
