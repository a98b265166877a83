"""Publications in SQL: versions and activations, appended and read; the same code for SQLite and PostgreSQL.

A transaction that writes takes the turn to write first, so the next number is found by looking.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select

from actors.journal import dialects
from actors.journal.tables import activations, publications
from workflows.publications import Activation, History, Publication


class SqlPublications:
    """Safe to use from several threads."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader

    def add(self, draft: Publication) -> Publication:
        """The version with the draft's content: a new one, or the one that had that content already."""
        named = publications.c.virtual_model == draft.virtual_model
        with dialects.translated(), self._writer.begin() as connection:
            same = select(publications).where(named, publications.c.hash == draft.hash)
            known = connection.execute(same).one_or_none()
            if known is not None:
                return _publication(known)
            last = connection.scalar(select(func.max(publications.c.number)).where(named)) or 0
            added = replace(draft, number=last + 1)
            connection.execute(insert(publications).values(asdict(added)))
            return added

    def activate(self, activation: Activation) -> None:
        """Have a version answer from now on, or none; the caller knows that there is such a version."""
        with dialects.translated(), self._writer.begin() as connection:
            connection.execute(insert(activations).values(asdict(activation)))

    def history(self, virtual_model: str) -> History:
        """What was published under that name; empty when nothing was."""
        found = self.histories(virtual_model)
        return found[0] if found else History(virtual_model)

    def histories(self, virtual_model: str | None = None) -> tuple[History, ...]:
        """What was published under every name, in alphabetical order; or under that one."""
        with dialects.translated(), self._reader.begin() as connection:
            versions = _rows(connection, publications, publications.c.number, virtual_model)
            moments = _rows(connection, activations, activations.c.seq, virtual_model)
        names = sorted({row.virtual_model for row in versions})
        return tuple(
            History(
                name,
                tuple(_publication(row) for row in versions if row.virtual_model == name),
                tuple(_activation(row) for row in moments if row.virtual_model == name),
            )
            for name in names
        )


def _rows(connection: Connection, table: Any, order: Any, virtual_model: str | None) -> list[Row[Any]]:
    statement = select(table).order_by(order)
    if virtual_model is not None:
        statement = statement.where(table.c.virtual_model == virtual_model)
    return list(connection.execute(statement))


def _publication(row: Row[Any]) -> Publication:
    return Publication(
        virtual_model=row.virtual_model,
        number=row.number,
        hash=row.hash,
        workflow=row.workflow,
        who=row.who,
        at=row.at,
        note=row.note,
    )


def _activation(row: Row[Any]) -> Activation:
    return Activation(
        virtual_model=row.virtual_model, number=row.number, at=row.at, who=row.who, cause=row.cause
    )
