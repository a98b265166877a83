"""The schema is made, kept and refused as it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from actors.journal.schema import MIGRATIONS, revision
from actors.journal.sql import SqlStore, open_store
from actors.journal.tables import SCHEMA, metadata
from tests.workflows.stories import fusion_run
from workflows.errors import SetupInvalid

ROOT = Path(__file__).parents[3]


def stamp(store: SqlStore, found: str) -> None:
    with store._writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})


def test_an_empty_database_gets_our_schema(store: SqlStore) -> None:
    with store._reader.begin() as connection:
        assert revision(connection) == SCHEMA


def test_migrations_make_exactly_the_tables_that_the_code_uses(store: SqlStore) -> None:
    with store._writer.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_our_schema_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA


def test_opening_again_keeps_what_is_there(store: SqlStore, url: str) -> None:
    store.append(fusion_run())
    again = open_store(url)
    assert len(again.events("run_1")) == len(fusion_run())
    again.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_journal_of_a_newer_version_is_refused_and_left_alone(
    store: SqlStore, url: str, read_only: bool
) -> None:
    stamp(store, "9999")
    with pytest.raises(SetupInvalid, match=r"newer Stellarator .*schema is 9999"):
        open_store(url, read_only=read_only)
    with store._reader.begin() as connection:
        assert revision(connection) == "9999"


def test_who_only_reads_does_not_migrate_an_older_journal(store: SqlStore, url: str) -> None:
    stamp(store, "0000")
    with pytest.raises(SetupInvalid, match="older Stellarator"):
        open_store(url, read_only=True)


def test_processes_that_start_at_once_make_the_schema_once(url: str) -> None:
    opening = f"from actors.journal.sql import open_store; open_store({url!r}).close()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", opening], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert ends == [("", 0)] * 3
