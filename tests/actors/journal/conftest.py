"""Real journals: each in a file of its own, and each in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from actors.journal.sql import SqlStore, open_store
from tests.postgres import Postgres

Database = Literal["sqlite", "postgresql"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Which database the journal is in. Every test that uses a journal runs on both."""
    kind: Database = request.param
    return kind


@pytest.fixture
def url(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a journal that does not exist yet."""
    return _new(database, tmp_path / "state", request)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """The address of a journal in a file that does not exist yet."""
    return f"sqlite:///{tmp_path}/state/journal.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """An empty journal."""
    store = open_store(url)
    assert isinstance(store, SqlStore)
    yield store
    store.close()


@pytest.fixture(scope="module")
def lasting_store(
    database: Database, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[SqlStore]:
    """One journal for all examples of a property; each example has runs of its own."""
    store = open_store(_new(database, tmp_path_factory.mktemp("journal"), request))
    assert isinstance(store, SqlStore)
    yield store
    store.close()


def _new(database: Database, folder: Path, request: pytest.FixtureRequest) -> str:
    if database == "sqlite":
        return f"sqlite:///{folder}/journal.db"
    server: Postgres = request.getfixturevalue("postgres")  # nobody who runs one file test waits for a server
    return server.new_database()
