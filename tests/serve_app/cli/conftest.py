"""A state folder of each test's own, and a plain screen of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.journal.sql import open_store
from cluster.settings import Settings
from workflows.events import Event


@pytest.fixture(autouse=True)
def plain_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder that commands find; no other setting and no provider's key is in the environment."""
    for name in ("STELLARATOR_API_KEY", "STELLARATOR_DATABASE_URL", "STELLARATOR_PORT", "STELLARATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENROUTER", "OPENAI", "ANTHROPIC", "GEMINI"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
    for name in ("OLLAMA_HOST", "GOOGLE_API_KEY", "OR_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STELLARATOR_HOME", str(tmp_path))
    return tmp_path


def remember(home: Path, *stories: Sequence[Event]) -> None:
    """Put runs into the journal in that state folder."""
    store = open_store(Settings.from_env({"STELLARATOR_HOME": str(home)}).database_url)
    try:
        for story in stories:
            store.append(story)
    finally:
        store.close()
