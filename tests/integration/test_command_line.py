"""The command line as people use it: real processes, each with a Ray of its own; only the models are scripted."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from openai import OpenAI

from actors.models.scripted.server import RunningUpstream, running
from serve_app.cli.room import free_port, require_free
from tests.integration.panels import ANSWER, panel, pass_through, rules
from workflows.loading import dump

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

PATIENCE = 150.0
"""Seconds for a start of Ray on a busy machine."""
PROMPT = "Review this plan."


class Desk:
    """A state folder and workflow files, and the command line over them."""

    def __init__(self, folder: Path, upstream: RunningUpstream) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.folder = folder
        self.upstream = upstream

    def workflow(self, name: str, *models: str) -> str:
        """A workflow file whose branches call these models."""
        file = self.folder / f"{name}.yaml"
        file.write_text(dump(panel(name, self.upstream.base_url, models)))
        return str(file)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        with self.begun(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command under way; it is interrupted when the block is left before its end."""
        with subprocess.Popen(
            [sys.executable, "-c", "from serve_app.cli.main import main; main()", *arguments],
            env={
                "STELLARATOR_HOME": str(self.home),
                "HOME": str(self.home),
                "PATH": "/usr/bin:/bin",
                "COLUMNS": "100",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.communicate(timeout=PATIENCE)

    def left_behind(self) -> Sequence[str]:
        """Processes of this state folder."""
        return [process.name() for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return process.environ().get("STELLARATOR_HOME") == str(self.home)
        return False


@pytest.fixture
def upstream() -> Iterator[RunningUpstream]:
    with running(rules()) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, upstream: RunningUpstream) -> Desk:
    return Desk(tmp_path, upstream)


def read_until(process: subprocess.Popen[str], ending: str) -> str:
    """What the process prints on stdout up to the line that begins so."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(ending):
            return "".join(lines)
    raise AssertionError(f"it ended first: {process.communicate()[1]}")


def test_up_serves_until_down_and_leaves_nothing(desk: Desk) -> None:
    port = free_port("127.0.0.1")
    with desk.begun("up", desk.workflow("reviewer", "fast", "broken", "fast"), "--port", str(port)) as up:
        printed = read_until(up, "print(")
        found = re.search(r"base URL  (\S+)\nAPI key   (\S+)  \(shown this once", printed)
        assert found is not None
        with OpenAI(base_url=found[1], api_key=found[2], max_retries=0) as client:
            asked = client.chat.completions.create(
                model="reviewer", messages=[{"role": "user", "content": PROMPT}], stream=True
            )
            assert "".join(chunk.choices[0].delta.content or "" for chunk in asked if chunk.choices) == ANSWER

        status = json.loads(desk.run("status", "--json").stdout)
        assert (status["health"], status["base_url"], status["models"]) == ("ok", found[1], ["reviewer"])

        second = desk.run("up", "--port", str(free_port("127.0.0.1")))
        assert second.returncode == 2
        assert f"already, at {found[1]}" in second.stderr

        shown = desk.run("runs", "show", "last").stdout
        assert "├─ ✓ turn 1" in shown
        assert "✗ risks: upstream_unavailable" in shown
        assert "└─ ✓ answer" in shown

        publishes_and_rolls_back(desk)
        assert desk.run("down").returncode == 0
        assert up.wait(PATIENCE) == 0
    assert desk.left_behind() == []
    require_free("127.0.0.1", port)
    assert desk.run("history", "reviewer", "--json").stdout.count('"state"') == 2
    assert desk.run("status").returncode == 1


def publishes_and_rolls_back(desk: Desk) -> None:
    """A second version of the model that `up` published, and back; each as one command."""
    again = desk.run("publish", desk.workflow("reviewer", "fast", "broken", "fast"))
    assert "is version 1" in again.stdout
    assert "already; nothing was changed" in again.stdout
    refused = desk.run("publish", desk.workflow("reviewer", "fast", "refused", "fast"))
    assert refused.returncode == 2
    assert "`refused`" in refused.stderr
    second = desk.run("publish", desk.workflow("reviewer", "fast", "fast", "fast"), "--note", "sounder")
    assert second.stdout.startswith("Version 2 (")
    assert "calls tools" in second.stderr
    assert re.search(r"2 +● active .* sounder", desk.run("history", "reviewer").stdout)
    assert "~ tools.problem_review.branches.risks.model" in desk.run("diff", "reviewer").stdout
    assert desk.run("rollback", "reviewer").stdout.startswith("Version 1 (")
    exported = desk.folder / "exported.yaml"
    exported.write_text(desk.run("export", "reviewer", "--version", "2").stdout)
    assert desk.run("publish", str(exported), "--no-probe").stdout.startswith("Version 2 (")


def test_preview_prints_one_json_object_and_leaves_nothing(desk: Desk) -> None:
    ended = desk.run("preview", desk.workflow("reviewer", "fast", "fast", "hanging"), PROMPT, "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["virtual_model"], told["answer"], told["status"]) == ("reviewer", ANSWER, "ok")
    steps = {step["name"]: (step["kind"], step["status"]) for step in told["steps"]}
    assert steps == {
        "main": ("main", "ok"),
        "turn 1": ("turn", "ok"),
        "problem_review": ("tool", "degraded"),
        "broad": ("branch", "ok"),
        "risks": ("branch", "ok"),
        "diverse": ("branch", "cancelled"),
        "synthesis": ("synthesis", "ok"),
        "answer": ("answer", "ok"),
    }
    assert "Traceback" not in ended.stderr
    assert desk.left_behind() == []
    assert {entry.name for entry in desk.home.iterdir()} <= {
        "journal.db",
        "logs",
        "ray-token",
        "session.lock",
    }


def test_ctrl_c_stops_a_run_and_leaves_nothing(desk: Desk) -> None:
    with desk.begun("preview", desk.workflow("stuck", "hanging", "hanging", "hanging"), PROMPT) as preview:
        wait_for_calls(desk.upstream, "hanging", 3)
        preview.send_signal(signal.SIGINT)
        out, err = preview.communicate(timeout=PATIENCE)
    assert preview.returncode == 130
    assert "Traceback" not in out + err
    assert desk.left_behind() == []
    (last,) = json.loads(desk.run("runs", "list", "--json").stdout)
    assert last["status"] == "cancelled"


def test_a_failed_run_is_shown_and_ends_with_one(desk: Desk) -> None:
    file = desk.folder / "failing.yaml"
    file.write_text(dump(pass_through("failing", desk.upstream.base_url, "broken")))
    ended = desk.run("preview", str(file), PROMPT)
    assert ended.returncode == 1
    assert "✗ failed" in ended.stdout
    assert ended.stderr.splitlines()[-1].startswith("Error: ")


def wait_for_calls(upstream: RunningUpstream, model: str, number: int) -> None:
    """Return when that many calls of the model have come in."""
    until = time.monotonic() + PATIENCE
    while sum(call.model == model for call in upstream.seen) < number:
        assert time.monotonic() < until, "the calls did not come"
        time.sleep(0.1)
