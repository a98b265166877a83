"""A product in a Ray session of its own: `stellarator up`, a second Ray node, PostgreSQL, and a scripted upstream outside.

Everything that may be killed is found by the session's folder, so nothing else on the machine is ever hit.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from actors.models.scripted.server import RunningUpstream, running
from cluster import processes, session
from cluster.settings import Settings, worker_environment
from tests.integration.panels import panel
from tests.postgres import Postgres, running_postgres
from workflows.loading import dump

KEY = "sk-stellarator-chaos"
PATIENCE = 240.0
"""Seconds for a start on a busy machine."""
BRANCHES = ("branch-a", "branch-b", "branch-c")
ISOLATED = ("apart-a", "apart-b", "apart-c")
"""The models of branches that have processes of their own: slow enough for one to be found and killed."""
SECONDS = dict(zip((*BRANCHES, *ISOLATED), (0.6, 1.0, 1.4, 2.4, 3.0, 3.6), strict=True))
"""How long each model takes."""
ANSWER = "The plan is sound after all that happened."
MODELS = ("chaos-shared", "chaos-dedicated", "chaos-isolated")
_COMMAND = "from serve_app.cli.main import main; main()"
# A node that is gone should be noticed within seconds here; Ray's own patience is made for slow networks.
_NOTICE_SOON = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
}


def rules() -> list[dict[str, Any]]:
    """What the upstream does: a panel takes two to five seconds, so that something is always under way."""
    return [
        *(
            {"match": {"model": model}, "answer": f"{model} finds it sound.", "delay": seconds}
            for model, seconds in SECONDS.items()
        ),
        {"match": {"model": "judge"}, "delay": 0.4, "json": {"consensus": ["It is sound."], "advice": "Go."}},
        {"match": {"has_result": True}, "answer": ANSWER, "chunks": 6, "pace": 0.1},
        {
            "match": {"has_tool": "problem_review"},
            "tool_calls": [{"name": "problem_review", "arguments": {"task": "Review the plan"}}],
        },
        {"match": {"model": "main"}, "answer": "Hello."},
    ]


@dataclass(slots=True)
class Stage:
    """The running product, from outside."""

    settings: Settings
    upstream: RunningUpstream
    database: Postgres
    url: str
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def inside(self) -> list[psutil.Process]:
        """Every process of the session, second node included."""
        found = session.running(self.settings)
        return processes.inside(Path(found.folder)) if found else []

    def titled(self, title: str) -> list[psutil.Process]:
        """The session's workers whose Ray title begins so."""
        return [process for process in self.inside() if title_of(process).startswith(f"ray::{title}")]

    def add_node(self) -> None:
        """Start another Ray node on this machine and have it join."""
        found = session.running(self.settings)
        assert found is not None
        with (self.settings.home / "node.log").open("ab") as log:
            self.nodes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.chaos.node", found.address],
                    cwd=found.folder,
                    env={**_environment(self.settings), **worker_environment(self.settings)},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def wait_for_nodes(self) -> None:
        """Return when the second node has its lanes."""
        end = time.monotonic() + PATIENCE
        while not self._lanes_of_node():
            assert time.monotonic() < end, (self.settings.home / "node.log").read_text()[-2000:]
            time.sleep(0.3)

    def _lanes_of_node(self) -> int:
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.nodes[-1].pid).children(recursive=True)
            return sum(title_of(process).startswith("ray::Lane") for process in below)
        return 0

    def kill_node(self) -> int:
        """Kill every process of the second node at once; return how many there were."""
        node = self.nodes.pop()
        victims: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(node.pid)
            victims = [first, *first.children(recursive=True)]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        node.wait()
        return len(victims)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start everything and wait until it answers; stop it at the end and make sure that nothing is left."""
    with ExitStack() as stack:
        database = stack.enter_context(running_postgres())
        upstream = stack.enter_context(running(rules()))
        url = database.new_database()
        settings = Settings.from_env(
            {
                "STELLARATOR_HOME": str(folder / "home"),
                "STELLARATOR_API_KEY": KEY,
                "STELLARATOR_PORT": str(_free_port()),
                "STELLARATOR_DATABASE_URL": url,
            }
        )
        files = [_workflow(folder, name, upstream.base_url) for name in MODELS]
        with (folder / "up.log").open("wb") as log:
            up = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, "up", *files],
                env={**_environment(settings), **_NOTICE_SOON},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        made = Stage(settings, upstream, database, url)
        try:
            _wait_until_it_answers(made, up, folder / "up.log")
            made.add_node()
            made.wait_for_nodes()
            yield made
        finally:
            database.go_on()
            while made.nodes:
                made.kill_node()
            up.send_signal(signal.SIGTERM)
            up.wait(PATIENCE)


def _workflow(folder: Path, name: str, base_url: str) -> str:
    kinds: dict[str, dict[str, Any]] = {
        "chaos-dedicated": {"deployment": "dedicated"},
        "chaos-isolated": {"branch": {"resources": {"num_cpus": 0.1}}},
    }
    special = kinds.get(name, {})
    collect = {"quorum": 3, "timeout": "60s", "deadline": "90s"}
    file = folder / f"{name}.yaml"
    models = ISOLATED if "branch" in special else BRANCHES
    file.write_text(dump(panel(name, base_url, models, collect=collect, **special)))
    return str(file)


def _wait_until_it_answers(made: Stage, up: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and up.poll() is None:
        with suppress(httpx.HTTPError):
            models = httpx.get(f"{made.base_url}/v1/models", headers={"authorization": f"Bearer {KEY}"})
            if models.status_code == httpx.codes.OK:
                return
        time.sleep(0.3)
    raise AssertionError(f"`up` does not answer: {log.read_text(errors='replace')[-2000:]}")


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "STELLARATOR_HOME": str(settings.home),
        "STELLARATOR_API_KEY": KEY,
        "STELLARATOR_PORT": str(settings.port),
        "STELLARATOR_DATABASE_URL": settings.database_url,
        "HOME": str(settings.home),
        "PATH": "/usr/bin:/bin",
    }


def title_of(process: psutil.Process) -> str:
    """A process' first word; Ray writes there what a worker does."""
    with suppress(psutil.Error):
        return "".join(process.cmdline()[:1])
    return ""


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
