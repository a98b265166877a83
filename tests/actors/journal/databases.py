"""What tests do to a journal's database behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import create_engine, select

from actors.journal import dialects
from actors.journal.contents import decompressed
from actors.journal.tables import contents, events, runs


def path_of(url: str) -> str:
    """The file of an embedded journal."""
    return url.removeprefix("sqlite:///")


def is_file(url: str) -> bool:
    return url.startswith("sqlite")


@contextmanager
def locked(url: str) -> Iterator[None]:
    """The database kept from every writer by a foreign process' transaction."""
    other: Any
    if is_file(url):
        other = sqlite3.connect(path_of(url), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(url)
        other.execute("SELECT pg_advisory_xact_lock(%s)", [dialects._TURN])
    try:
        yield
    finally:
        other.close()


def everything_stored(url: str) -> str:
    """All that the journal's tables hold, as one text."""
    engine = create_engine(dialects.parse(url))
    with engine.connect() as connection:
        told = [repr(row) for table in (runs, events) for row in connection.execute(select(table))]
        parts = [decompressed(data).decode() for data in connection.scalars(select(contents.c.data))]
    engine.dispose()
    return "\n".join([*told, *parts])
