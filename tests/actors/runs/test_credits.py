"""Telling the actor that credits branches which runs have finished."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from actors.runs import credits as module
from actors.runs.credits import RemoteCredits


async def test_runs_that_finish_shortly_after_each_other_are_told_of_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 0.0)
    told = asyncio.Queue[list[tuple[str, str]]]()
    crediting = RemoteCredits(SimpleNamespace(credit=SimpleNamespace(remote=told.put_nowait)))
    crediting.credit("run_1", "00-1")
    crediting.credit("run_2", "00-2")
    assert await told.get() == [("run_1", "00-1"), ("run_2", "00-2")]
    crediting.credit("run_3", "00-3")
    assert await told.get() == [("run_3", "00-3")]
