"""Real journals, each in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.journal import open_store
from actors.journal.sql import SqlStore


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a journal that does not exist yet."""
    return f"sqlite:///{tmp_path}/state/journal.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """An empty journal."""
    store = open_store(url)
    assert isinstance(store, SqlStore)
    yield store
    store.close()


@pytest.fixture(scope="module")
def lasting_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """One journal for all examples of a property; each example has runs of its own."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('journal')}/journal.db")
    assert isinstance(store, SqlStore)
    yield store
    store.close()
