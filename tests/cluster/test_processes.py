"""What works in a session's folder is found there, and ended when somebody waits for it too long."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import inside, stopped_after


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as process:  # noqa: S607  # any sleep
        yield process
        process.kill()


def test_processes_are_found_by_the_folder_they_work_in(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    assert [process.pid for process in inside(tmp_path)] == [sleeper.pid]


def test_a_block_that_waits_too_long_for_them_sees_them_end(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    with stopped_after(0.05, tmp_path):
        sleeper.wait(60)
    assert inside(tmp_path) == []


def test_a_block_that_is_over_in_time_leaves_them_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    with stopped_after(600, tmp_path):
        pass
    assert sleeper.poll() is None
