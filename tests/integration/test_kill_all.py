"""`kill -9` on everything, and a new `up`: what went on in the background is finished, and nothing is paid twice."""

from __future__ import annotations

import re
import signal
from collections import Counter
from contextlib import suppress

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


def test_a_run_in_the_background_survives_the_death_of_everything(desk: Desk) -> None:
    collect = {"quorum": 3, "timeout": "60s", "deadline": "90s"}
    spec = panel("kept", desk.upstream.base_url, ("fast", "fast", "thoughtful"), collect=collect)
    file = desk.folder / "kept.yaml"
    file.write_text(dump(spec))
    started = ("up", str(file), "--port", str(free_port("127.0.0.1")))

    with desk.begun(*started) as up:
        found = re.search(r"base URL  (\S+)\nAPI key   (\S+)  \(shown", read_until(up, "print("))
        assert found is not None
        url, key = found[1], found[2]
        with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
            began = client.responses.create(model="kept", input=PROMPT, background=True)
        run = f"{url.removesuffix('/v1')}/api/runs/{began.id.replace('resp_', 'run_')}"
        bearer = {"authorization": f"Bearer {key}"}

        def two_branches_are_safe() -> bool:
            steps = httpx.get(run, headers=bearer).json()["steps"]
            ended = [step for step in steps if step["kind"] == "branch" and step["status"] == "ok"]
            return len(ended) == 2 and any(seen.model == "thoughtful" for seen in desk.upstream.seen)

        eventually(two_branches_are_safe)
        kill_everything(desk)
        up.wait(PATIENCE)

    with desk.begun(*started) as up:
        read_until(up, "print(")
        with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
            ended = eventually(
                lambda: (
                    (r := client.responses.retrieve(began.id)).status not in {"queued", "in_progress"} and r
                ),
                90,
            )
        shown = httpx.get(run, headers=bearer).json()
    assert ended.output_text == ANSWER
    assert shown["panel"] == "ran"
    # Two turns of the main LLM, two branches that were over, one that was under way and is asked for once more.
    assert Counter(seen.model for seen in desk.upstream.seen) == {
        "main": 2,
        "fast": 2,
        "thoughtful": 2,
        "judge": 1,
    }
    lost = [step for step in shown["steps"] if step["kind"] == "attempt"]
    assert [(step["status"], step["reason"]) for step in lost] == [("cancelled", "unknown")]
