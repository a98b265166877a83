"""A cluster of a head without cores and one worker node, made by `ray start` as deploy/README.md says, with Redis.

The nodes have loopback addresses of their own (Linux). Serve's proxies of both listen on one port, which the kernel shares
between them; when the head is dead, all connections reach the worker's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from cluster import local_ray
from cluster.settings import Settings, worker_environment
from serve_app.cli.room import free_port
from tests.chaos.stage import title_of

KEY = "sk-stellarator-head"
HEAD, WORKER = "127.0.0.2", "127.0.0.3"
PATIENCE = 120.0
"""Seconds for anything to come up on a busy machine."""
_BEARER = {"authorization": f"Bearer {KEY}"}
_RAY = "from ray.scripts.scripts import main; main()"
_SERVE = "from ray.serve.scripts import cli; cli()"


def redis_server() -> str | None:
    """The Redis program: the one that STELLARATOR_TEST_REDIS names, or the one on the path."""
    return os.environ.get("STELLARATOR_TEST_REDIS") or shutil.which("redis-server")


class HeadAndWorker:
    """The running cluster, from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings.from_env(
            {
                "STELLARATOR_HOME": str(folder / "home"),
                "STELLARATOR_API_KEY": KEY,
                "STELLARATOR_PORT": str(free_port("127.0.0.1")),
            }
        )
        local_ray.write_token(self.settings)
        self._redis = free_port("127.0.0.1")
        self._gcs = free_port("127.0.0.1")
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def start_redis(self, program: str) -> None:
        """Start Redis, which keeps everything in memory: it is not what dies here."""
        options = ("--port", str(self._redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder))
        self._begin("redis", [program, *options])

    def start_head(self) -> subprocess.Popen[bytes]:
        """Start the head, or a new one in its place."""
        # Left by a head that was killed; on this machine Ray would take the worker's processes for that head's.
        (self.folder / "ray" / "ray_current_cluster").unlink(missing_ok=True)
        return self._ray(
            "head",
            "--head",
            f"--port={self._gcs}",
            f"--node-ip-address={HEAD}",
            f"--temp-dir={self.folder / 'ray'}",
            "--num-cpus=0",
            "--include-dashboard=false",
        )

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start the node where runs happen, when the head listens."""
        self.until(self._listens)
        return self._ray(
            "worker", f"--address={HEAD}:{self._gcs}", f"--node-ip-address={WORKER}", "--num-cpus=4"
        )

    def deploy(self, workflow: Path) -> None:
        """Have Serve bring the application up, and return when it answers."""
        config = self.folder / "serve.yaml"
        shown = {
            "proxy_location": "EveryNode",
            "http_options": {"host": "127.0.0.1", "port": self.settings.port},
            "applications": [
                {
                    "name": "stellarator",
                    "route_prefix": "/",
                    "import_path": "serve_app.app:build",
                    "args": {"workflows": [str(workflow)]},
                }
            ],
        }
        config.write_text(json.dumps(shown))  # JSON is YAML
        options = ("run", "--non-blocking", f"--address={HEAD}:{self._gcs}", str(config))
        assert self._begin("serve", [sys.executable, "-c", _SERVE, *options]).wait(PATIENCE) == 0
        self.until(self._answers)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that happens by itself; fail with the logs' ends when it does not."""
        end = time.monotonic() + PATIENCE
        while not condition():
            logs = {file.name: file.read_text(errors="replace")[-800:] for file in self.folder.glob("*.log")}
            assert time.monotonic() < end, logs
            time.sleep(0.2)

    def client_at(self, node: subprocess.Popen[bytes]) -> httpx.Client:
        """A client whose connection is held by that node's proxy."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            client = httpx.Client(base_url=self.base_url, headers=_BEARER, timeout=PATIENCE)
            before = _peers([psutil.Process()])
            client.get("/v1/models")
            if (_peers([psutil.Process()]) - before) & {
                (there, here) for here, there in _peers(_family(node))
            }:
                return client
            client.close()
            time.sleep(0.1)
        raise AssertionError("that node's proxy takes no connection")

    def stop(self) -> None:
        """Kill everything that was started here."""
        for process in reversed(self._started):
            kill(process)

    def _answers(self) -> bool:
        with suppress(httpx.HTTPError):
            listed = httpx.get(f"{self.base_url}/v1/models", headers=_BEARER)
            return listed.status_code == httpx.codes.OK
        return False

    def _listens(self) -> bool:
        with socket.socket() as knock:
            return knock.connect_ex((HEAD, self._gcs)) == 0

    def _ray(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        common = ("--min-worker-port=0", "--max-worker-port=0", "--object-store-memory=80000000")
        agent = f"--dashboard-agent-listen-port={free_port('127.0.0.1')}"
        return self._begin(name, [sys.executable, "-c", _RAY, "start", "--block", *common, agent, *options])

    def _begin(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def _environment(self) -> Mapping[str, str]:
        wanted = worker_environment(self.settings)
        del wanted["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]  # which is for one node on loopback
        return {
            **wanted,
            "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{self._redis}",
            "HOME": str(self.settings.home),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }


def kill(node: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and everything below it, all at once; return when no socket of theirs is left."""
    family = _family(node)
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    node.wait()
    psutil.wait_procs(family, timeout=PATIENCE)


def workers(node: subprocess.Popen[bytes], *classes: str) -> dict[int, str]:
    """The node's workers that are actors of these classes, by process id."""
    titles = {process.pid: title_of(process).removeprefix("ray::") for process in _family(node)}
    return {pid: title.partition(".")[0] for pid, title in titles.items() if title.startswith(classes)}


def _family(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(node.pid)
        return [first, *first.children(recursive=True)]
    return []


def _peers(processes: list[psutil.Process]) -> set[tuple[int, int]]:
    """Both ports of every connection."""
    found: set[tuple[int, int]] = set()
    for process in processes:
        with suppress(psutil.Error):
            found |= {(it.laddr.port, it.raddr.port) for it in process.net_connections() if it.raddr}
    return found


@contextmanager
def head_and_worker(folder: Path, program: str) -> Iterator[HeadAndWorker]:
    """Redis alone; the nodes are started by whoever tests. Everything is killed at the end."""
    cluster = HeadAndWorker(folder)
    try:
        cluster.start_redis(program)
        yield cluster
    finally:
        cluster.stop()
