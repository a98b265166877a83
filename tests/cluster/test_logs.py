"""What our loggers write, in a process of its own, as it does everywhere."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from cluster import logs
from cluster.errors import SetupError
from cluster.settings import LogSettings

SPEAKER = """
import asyncio, logging
from cluster import logs
logs.setup("lane")
logs.setup("lane")
log = logging.getLogger("actors.speaker")

async def run(number):
    logs.about(run_id=f"run-{number}", step_id="main", traceparent=f"00-{number:032x}-{number:016x}-01")
    await asyncio.sleep(0.01)
    log.warning("working on %d", number, extra={"model": "m"})

async def both():
    await asyncio.gather(run(1), run(2))

asyncio.run(both())
try:
    try:
        int("a secret prompt")
    except ValueError as error:
        raise RuntimeError("it also quotes a secret prompt") from error
except RuntimeError:
    log.exception("it broke")
log.debug("not shown")
logging.getLogger("somebody.else").warning("not ours")
"""


def spoken(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SPEAKER],
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stderr


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in spoken().splitlines() if line.startswith("{")]


def test_a_line_is_one_json_document_with_time_level_logger_role_and_process(
    lines: list[dict[str, Any]],
) -> None:
    assert len(lines) == 3  # two runs and the failure, once each
    for line in lines:
        assert {"time", "level", "logger", "role", "pid", "message"} <= line.keys()
        assert (line["role"], line["logger"]) == ("lane", "actors.speaker")


def test_each_task_marks_its_own_lines(lines: list[dict[str, Any]]) -> None:
    marked = {line["run_id"]: line for line in lines if "run_id" in line}
    assert {name: line["message"] for name, line in marked.items()} == {
        "run-1": "working on 1",
        "run-2": "working on 2",
    }
    assert marked["run-2"]["trace_id"] == f"{2:032x}"
    assert marked["run-2"]["span_id"] == f"{2:016x}"
    assert marked["run-2"]["step_id"] == "main"
    assert marked["run-2"]["model"] == "m"


def test_an_exception_is_told_by_types_and_places_without_messages(lines: list[dict[str, Any]]) -> None:
    (broken,) = [line for line in lines if line["message"] == "it broke"]
    assert broken["error"] == "RuntimeError from ValueError"
    assert broken["at"][0].startswith("<string>:")
    assert "secret" not in json.dumps(lines)


def test_pretty_lines_are_for_people_and_say_the_same() -> None:
    text = spoken(STELLARATOR_LOG_FORMAT="pretty")
    assert "working on 1" in text
    assert "run-2" in text
    assert '{"' not in text
    assert "\x1b" not in text  # a pipe is no terminal
    assert "secret" not in text


def test_the_level_is_obeyed() -> None:
    assert "working on" not in spoken(STELLARATOR_LOG_LEVEL="ERROR")
    assert "not shown" in spoken(STELLARATOR_LOG_LEVEL="DEBUG")


def test_an_unknown_format_is_refused_with_the_ones_that_exist() -> None:
    with pytest.raises(SetupError, match="auto, json, pretty"):
        LogSettings.from_env({"STELLARATOR_LOG_FORMAT": "xml"})


def test_what_was_set_up_can_be_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    logs.reset()  # an earlier test may have set it up
    ours = logging.getLogger("actors")
    before = list(ours.handlers)
    logs.setup("x", LogSettings(format="json"))
    assert ours.handlers != before
    logs.reset()
    assert ours.propagate
    assert ours.handlers == before
    assert capsys.readouterr().err == ""
