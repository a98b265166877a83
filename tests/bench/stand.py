"""The test stand: the product as `stellarator up` runs it, and its upstream, each in processes of its own.

So CPU and memory are those of the product alone, and the load generator's are not among them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from tests.bench.group import Group
from tests.chaos.head import kill

KEY = "sk-stellarator-bench"
READY_S = 180.0
STOP_S = 40.0


@dataclass(frozen=True, slots=True)
class Server:
    """Something that answers Chat Completions; `home` is the product's state folder."""

    base_url: str
    key: str
    processes: Group
    home: Path | None = None


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@contextmanager
def upstream(rules: Sequence[Mapping[str, Any]], host: str = "127.0.0.1") -> Iterator[Server]:
    """A scripted upstream."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        script = Path(folder, "script.yaml")
        YAML(typ="safe").dump(list(rules), script)
        command = [
            sys.executable,
            "-m",
            "actors.models.scripted.server",
            "--script",
            str(script),
            "--host",
            host,
        ]
        with process(command, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            base_url = running.stdout.readline().decode().strip()
            yield Server(base_url, "unused", Group(running.pid))


@contextmanager
def product(
    workflows: Sequence[Mapping[str, Any]], environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`stellarator up` with these workflows, ready to answer."""
    home, port = Path(tempfile.mkdtemp(prefix="sb-")), free_port()
    files = []
    for workflow in workflows:
        files.append(home / f"{workflow['name']}.yaml")
        YAML(typ="safe").dump(dict(workflow), files[-1])
    ours = {"STELLARATOR_HOME": str(home), "STELLARATOR_API_KEY": KEY, "STELLARATOR_PORT": str(port)}
    command = [str(Path(sys.executable).with_name("stellarator")), "up", *map(str, files)]
    log = (home / "up.log").open("wb")
    try:
        with log, process(command, {**ours, **(environment or {})}, stdout=log, stderr=log) as running:
            server = Server(f"http://127.0.0.1:{port}/v1", KEY, Group(running.pid), home)
            await_ready(server, running, home / "up.log")
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def process(
    command: Sequence[str], environment: Mapping[str, str] | None = None, **how: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped at the end; with everything below it, when it takes too long."""
    with subprocess.Popen(command, env={**os.environ, **(environment or {})}, **how) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(STOP_S)
            except subprocess.TimeoutExpired:
                kill(running)


def await_ready(server: Server, running: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the product answers.

    Raises:
        RuntimeError: it has ended, or takes too long; with the end of its log.
    """
    until = time.monotonic() + READY_S
    # One client: each new one reads certificates, which costs as much as a part of the start that is measured.
    with httpx.Client(base_url=server.base_url.removesuffix("/v1")) as http:
        while time.monotonic() < until and running.poll() is None:
            with suppress(httpx.TransportError):
                if http.get("/healthz").is_success:
                    return
            time.sleep(0.05)
    raise RuntimeError(f"the product did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")
