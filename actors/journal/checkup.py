"""A look at a journal from outside: whether it is there, ours and writable, how large, and what its clock says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

from sqlalchemy import Connection, text

from actors.journal import dialects, schema
from actors.journal.tables import SCHEMA


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was seen.

    Attributes:
        where: the database, without a password.
        found: its schema; empty when it holds no journal yet.
        known: the schema of this version.
        writable: whether this user may write it.
        size_bytes: of the whole database; None when it is not there yet.
        clock_ahead: seconds by which the database's clock is ahead of ours; None for a file, which has none.
    """

    where: str
    found: str
    known: str
    writable: bool
    size_bytes: int | None
    clock_ahead: float | None = None


def look(url: str) -> Checkup:
    """Look at the journal at this SQLAlchemy URL and change nothing.

    Raises:
        SetupInvalid: it is not the URL of a journal.
        JournalUnavailable: the database cannot be reached or read.
    """
    address = dialects.parse(url)
    where = address.render_as_string(hide_password=True)
    path = dialects.file_of(address)
    if path is not None and not path.exists():
        return Checkup(where, "", SCHEMA, os.access(path.parent, os.W_OK), None)
    engine = dialects.reading_engine(address, 1)
    try:
        with dialects.translated(), engine.connect() as connection:
            found = schema.revision(connection)
            if path is not None:
                writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
                return Checkup(where, found, SCHEMA, writable, path.stat().st_size)
            return Checkup(
                where, found, SCHEMA, _may_write(connection), _size(connection), _ahead(connection)
            )
    finally:
        engine.dispose()


def _may_write(connection: Connection) -> bool:
    asked = "SELECT NOT pg_is_in_recovery() AND has_schema_privilege(current_schema(), 'CREATE')"
    return bool(connection.scalar(text(asked)))


def _size(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _ahead(connection: Connection) -> float:
    began = time()
    told = connection.scalar(text("SELECT clock_timestamp()"))
    now = told if isinstance(told, datetime) else datetime.now(UTC)
    return now.timestamp() - (began + time()) / 2
