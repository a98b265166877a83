"""`kill -9` on everything, and a new `up`: what went on in the background is finished, and nothing is paid twice."""

from __future__ import annotations

import re
import signal
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest
from openai import OpenAI

from serve_app.cli.room import free_port
from tests.integration.panels import ANSWER, panel
from tests.integration.test_command_line import PATIENCE, Desk, desk, read_until, upstream
from tests.integration.test_panels import PROMPT, eventually
from workflows.loading import dump

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

__all__ = ["desk", "upstream"]


def kill_everything(desk: Desk) -> None:
    """SIGKILL to every process of the state folder, the command line's own first, so that it cleans nothing up."""
    for process in sorted(psutil.process_iter(), key=lambda process: process.pid):
        with suppress(psutil.Error):
            if process.environ().get("STELLARATOR_HOME") == str(desk.home):
                process.send_signal(signal.SIGKILL)
    eventually(lambda: not desk.left_behind())


class Background:
    """One run in the background of the server that `up` said it is, for whoever asks later."""

    def __init__(self, printed: str) -> None:
        found = re.search(r"base URL  (\S+)\nAPI key   (\S+)  \(shown", printed)
        assert found is not None
        self._base_url, self._key = found[1], found[2]
        with self._client() as client:
            self.response = client.responses.create(model="kept", input=PROMPT, background=True)

    def _client(self) -> OpenAI:
        return OpenAI(base_url=self._base_url, api_key=self._key, max_retries=0)

    def run(self) -> dict[str, Any]:
        """The run as our own API shows it."""
        run_id = self.response.id.replace("resp_", "run_")
        root = self._base_url.removesuffix("/v1")
        bearer = {"authorization": f"Bearer {self._key}"}
        shown: dict[str, Any] = httpx.get(f"{root}/api/runs/{run_id}", headers=bearer).json()
        return shown

    def safe_branches(self) -> int:
        """How many branches have answered."""
        return sum(step["kind"] == "branch" and step["status"] == "ok" for step in self.run()["steps"])

    def is_over(self) -> bool:
        """Whether it has been answered, or given up."""
        with self._client() as client:
            self.response = client.responses.retrieve(self.response.id)
        return self.response.status not in {"queued", "in_progress"}


def test_a_run_in_the_background_survives_the_death_of_everything(desk: Desk) -> None:
    collect = {"quorum": 3, "timeout": "60s", "deadline": "90s"}
    spec = panel("kept", desk.upstream.base_url, ("fast", "fast", "thoughtful"), collect=collect)
    file = desk.folder / "kept.yaml"
    file.write_text(dump(spec))
    started = ("up", str(file), "--port", str(free_port("127.0.0.1")))
    with desk.begun(*started) as up:
        background = Background(read_until(up, "print("))
        eventually(lambda: any(seen.model == "thoughtful" for seen in desk.upstream.seen))
        eventually(lambda: background.safe_branches() == 2)
        kill_everything(desk)
        up.wait(PATIENCE)
    with desk.begun(*started) as up:
        read_until(up, "print(")
        eventually(background.is_over, 90)
        shown = background.run()
    assert background.response.output_text == ANSWER
    assert shown["panel"] == "ran"
    # Two turns of the main LLM, two branches that were over, one that was under way and is asked for once more.
    asked = Counter(seen.model for seen in desk.upstream.seen)
    assert asked == {"main": 2, "fast": 2, "thoughtful": 2, "judge": 1}
    lost = [step for step in shown["steps"] if step["kind"] == "attempt"]
    assert [(step["status"], step["reason"]) for step in lost] == [("cancelled", "unknown")]
