"""What differs between the databases: how to connect, how to take turns at writing, how to upsert.

And what they say when they fail, in our words. SQLite (a file, WAL) is the embedded default; PostgreSQL (psycopg 3)
is for a cluster that shares one journal, and for clusters that share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from workflows.errors import JournalUnavailable, SetupInvalid

Upsert: TypeAlias = sqlite.Insert | postgresql.Insert
Preparation: TypeAlias = Callable[[], None]
_INSERTS: dict[str, Callable[[Table], Upsert]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

LOCK_SECONDS = 10.0
"""How long a writer waits for its turn."""
CONNECT_SECONDS = 10
"""How long PostgreSQL may take to let us in."""
ANSWER_SECONDS = 30.0
"""How long PostgreSQL may take over one statement; then the connection is given up as dead."""
IDLE_SECONDS = 60
"""After how long PostgreSQL takes the turn away from a writer that is silent in the middle of a transaction."""

# Any number will do, as long as every writer of a journal uses the same.
_TURN = 0x57E11A
# One statement, because each is a journey: first the bounds, which hold for this transaction, then the turn.
_TAKE_TURN = text(
    "SELECT set_config('lock_timeout', :lock, true), "
    "set_config('idle_in_transaction_session_timeout', :idle, true), pg_advisory_xact_lock(:turn)"
)
_POSTGRESQL = "postgresql+psycopg"
# What these complaints mean for whoever runs the product, by what the driver says.
_ADVICE = {
    "database or disk is full": "free some space or run `stellarator journal prune`",
    "database is locked": "another program keeps it to itself; end that program",
    "canceling statement due to lock timeout": "another program has been writing for too long",
    "attempt to write a readonly database": "let its owner write the file and its folder",
}


def _nothing() -> None:
    """There is nothing to prepare."""


def parse(url: str) -> URL:
    """The database's address.

    Raises:
        SetupInvalid: not an address, or of a database that cannot hold a journal.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SetupInvalid(
            "The journal's database address is not one; write sqlite:////path/journal.db or "
            "postgresql://user@host/database."
        ) from error
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername=_POSTGRESQL)
    if parsed.get_backend_name() not in _INSERTS:
        raise SetupInvalid(f"The journal cannot be in {parsed.get_backend_name()}; use sqlite or postgresql.")
    if not _is_sqlite(parsed) and parsed.drivername != _POSTGRESQL:
        raise SetupInvalid(
            f"The journal cannot use the driver {parsed.drivername}; write postgresql:// alone."
        )
    if _is_sqlite(parsed) and parsed.database in {None, "", ":memory:"}:
        raise SetupInvalid("The journal needs a file; write sqlite:////path/journal.db.")
    return parsed


def prepare_file(url: URL) -> None:
    """Make an embedded journal's file and its folder, readable by its owner only: it holds what people said."""
    path = file_of(url)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise SetupInvalid(f"The journal {path} cannot be made: {error.strerror}.") from error


def require_file(url: URL) -> None:
    """Refuse to read an embedded journal that is not there."""
    path = file_of(url)
    if path is not None and not path.is_file():
        raise SetupInvalid(f"There is no journal at {path} yet; the first run makes it.")


def writing_engine(url: URL, first: Preparation = _nothing) -> Engine:
    """One connection, whose transactions take the turn to write when they begin; `first` is done before connecting."""
    engine = _engine(url, 1, first)
    if _is_sqlite(url):
        event.listen(engine, "connect", _pragma("auto_vacuum=INCREMENTAL"))  # heeded by a new file only
        event.listen(engine, "connect", _pragma("journal_mode=WAL"))
        event.listen(engine, "connect", _pragma("synchronous=NORMAL"))
        event.listen(engine, "begin", _begin_immediate)
    else:
        event.listen(engine, "begin", _begin_locked)
    return engine


def reading_engine(url: URL, connections: int, first: Preparation = _nothing) -> Engine:
    """Connections that see one state for the length of a transaction, and cannot write."""
    engine = _engine(url, connections, first)
    if _is_sqlite(url):
        event.listen(engine, "connect", _pragma("query_only=ON"))
        event.listen(engine, "begin", _begin)
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def give_back_room(connection: Connection) -> None:
    """Shrink an embedded journal's file by what was removed; PostgreSQL does that by itself, for later rows."""
    if connection.dialect.name == "sqlite":
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA incremental_vacuum")
        cursor.fetchall()  # it gives back one page with each step
        cursor.close()


def upsert(engine: Engine, table: Table) -> Upsert:
    """An insert that can say what to do about rows that are there already."""
    return _INSERTS[engine.dialect.name](table)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into `JournalUnavailable`, without statements, contents and passwords."""
    try:
        yield
    except SQLAlchemyError as error:
        raise JournalUnavailable(f"The journal's database does not work: {_said(error)}.") from error


def _said(error: SQLAlchemyError) -> str:
    """The driver's own words where they are about the database; about data (subclasses of these) they may quote it."""
    if not isinstance(error, DBAPIError) or type(error) not in {OperationalError, DatabaseError}:
        return type(error).__name__
    said = str(error.orig).partition("\n")[0]
    return f"{said} ({_ADVICE[said]})" if said in _ADVICE else said


def _engine(url: URL, pool_size: int, first: Preparation) -> Engine:
    """An engine that never shows a statement's parameters in an error: they hold what people said."""
    bounds = {"timeout": LOCK_SECONDS} if _is_sqlite(url) else {"connect_timeout": CONNECT_SECONDS}
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=not _is_sqlite(url),
        connect_args=bounds,
    )
    event.listen(engine, "do_connect", lambda *_: first())
    if _is_sqlite(url):
        event.listen(engine, "connect", _own_transactions)
        event.listen(engine, "connect", _pragma("foreign_keys=ON"))
    else:
        event.listen(engine, "do_connect", _connect_impatiently)
    return engine


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def file_of(url: URL) -> Path | None:
    """The file of an embedded journal; None for a server's."""
    return Path(url.database) if _is_sqlite(url) and url.database else None


def _own_transactions(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Stop the driver from beginning transactions by itself, and too late; ours begin in the listeners below."""
    connection.isolation_level = None


def _pragma(setting: str) -> Callable[[DBAPIConnection, ConnectionPoolEntry], None]:
    def on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    return on_connect


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_locked(connection: Connection) -> None:
    """One writer at a time, as in SQLite: so places grow in the order of commits, and readers miss nothing.

    PostgreSQL makes a transaction visible before it frees its locks, so whoever has the turn sees all that went
    before, and no place that is given out later is seen earlier. What is given out and rolled back leaves a gap.
    """
    bounds = {"lock": f"{LOCK_SECONDS * 1000:.0f}ms", "idle": f"{IDLE_SECONDS}s", "turn": _TURN}
    connection.execute(_TAKE_TURN, bounds)


def _connect_impatiently(dialect: Dialect, _entry: object, args: tuple[Any, ...], options: Any) -> Any:
    """Connect to PostgreSQL by a connection that does not wait forever."""
    psycopg: Any = dialect.loaded_dbapi
    return _impatient(psycopg).connect(*args, **options)


@cache
def _impatient(psycopg: Any) -> Any:
    """A psycopg connection, bounded in time: a server that is frozen, or cut off, does not close its connections.

    Made here, because whoever uses SQLite should not pay for loading psycopg.
    """

    class Impatient(psycopg.Connection):  # type: ignore[misc]  # known at run time only
        def wait(self, awaited: Any, *args: Any, **options: Any) -> Any:
            end = monotonic() + ANSWER_SECONDS
            try:
                return super().wait(awaited, *args, **{"timeout": ANSWER_SECONDS, **options})
            except psycopg.OperationalError:
                if monotonic() < end:
                    raise
                self.pgconn.finish()  # a command is under way on it, so it is of no use any more
                raise psycopg.OperationalError(f"no answer within {ANSWER_SECONDS:.0f} s") from None

    return Impatient
