"""What a killed writer leaves behind."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from actors.journal.sql import open_store
from tests.actors.journal.databases import is_file, path_of
from tests.workflows.stories import fusion_run
from workflows.replay import summary_of

ROOT = Path(__file__).parents[3]
WRITING = """
import asyncio, sys
from actors.journal.actor import JournalActor
from tests.workflows.stories import fusion_run

async def one(actor, number):
    run_id = f"run_{number}"
    for place, event in enumerate(fusion_run(run_id, text="spoken " * 400)):
        await actor.append([event])
        print(run_id, place, flush=True)

async def main():
    actor = JournalActor(sys.argv[1], capture_content=True)
    number = 0
    while True:
        await asyncio.gather(*(one(actor, number + n) for n in range(8)))
        number += 8

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 501])
def test_whatever_was_acknowledged_is_there_after_a_kill(url: str, acknowledged: int) -> None:
    safe: dict[str, int] = {}
    with subprocess.Popen(
        [sys.executable, "-c", WRITING, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(acknowledged):
            run_id, number = process.stdout.readline().split()
            safe[run_id] = int(number)
        process.kill()
    if is_file(url):
        require_whole_file(url)
    store = open_store(url)
    for run_id, place in safe.items():
        found = [recorded.event for recorded in store.events(run_id)]
        whole = fusion_run(run_id, text="spoken " * 400)
        assert len(found) > place
        assert found == whole[: len(found)]
        assert store.summary(run_id) == summary_of(found)
    store.close()


def require_whole_file(url: str) -> None:
    with sqlite3.connect(path_of(url)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()
