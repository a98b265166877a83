"""Hosts of their own on one machine: network namespaces, each with an address, joined by a bridge (Linux, as root).

Ray's nodes in them are started as deploy/README.md says for machines, and talk to each other over the bridge only.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from cluster import local_ray
from cluster.settings import Settings, worker_environment
from tests.bench.group import Group
from tests.bench.stand import KEY, READY_S, Server, await_ready, process
from tests.chaos.head import kill

GCS_PORT, HTTP_PORT = 6379, 8000
_STARTED = "Ray runtime started"
_RAY = "from ray.scripts.scripts import main; main()"


class HostsRefused(Exception):
    """This machine lets us make no network namespaces."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Some hosts, and the address of the bridge, where this machine itself is."""

    bridge: str
    names: Sequence[str]

    def address(self, number: int) -> str:
        return f"{self.bridge.rpartition('.')[0]}.{number + 2}"

    def on(self, number: int, *command: str) -> list[str]:
        """A command to be run on a host."""
        return ["ip", "netns", "exec", self.names[number], *command]


@contextmanager
def hosts(count: int) -> Iterator[Hosts]:
    """So many hosts, gone at the end.

    Raises:
        HostsRefused: there is no `ip`, or we may not use it.
    """
    mark = f"sb{os.getpid() % 100_000}"
    made = Hosts(
        f"10.{random.randint(64, 126)}.{random.randint(1, 254)}.1", [f"{mark}h{n}" for n in range(count)]
    )
    with ExitStack() as stack:
        _ip("link", "add", mark, "type", "bridge")
        stack.callback(_ip, "link", "del", mark)
        _ip("addr", "add", f"{made.bridge}/24", "dev", mark)
        _ip("link", "set", mark, "up")
        for number, name in enumerate(made.names):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            outside = f"{mark}v{number}"
            _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", outside, "master", mark, "up")
            _ip("-n", name, "addr", "add", f"{made.address(number)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield made


@contextmanager
def node(made: Hosts, number: int, home: Path) -> Iterator[Group]:
    """A Ray node with two cores on a host; number 0 is the head."""
    settings = _settings(home)
    environment = {**os.environ, **worker_environment(settings)}
    del environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]  # which is for one node on loopback
    here, head = made.address(number), f"{made.address(0)}:{GCS_PORT}"
    role = ["--head", f"--port={GCS_PORT}", f"--temp-dir={home / 'r'}", "--include-dashboard=false"]
    role = role if number == 0 else [f"--address={head}"]
    start = [sys.executable, "-c", _RAY, "start", "--block", *role]
    limits = [f"--node-ip-address={here}", "--num-cpus=2", "--object-store-memory=80000000"]
    told = home / f"host{number}.log"
    with told.open("wb") as log:
        command = made.on(number, *start, *limits)
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _await_started(running, told)
        yield Group(running.pid)
    finally:
        kill(running)


def _await_started(running: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_S
    while _STARTED not in log.read_text("utf-8", "replace"):
        if time.monotonic() > until or running.poll() is not None:
            raise TimeoutError(f"the node did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(0.1)


@contextmanager
def joined(made: Hosts, workflows: Sequence[Mapping[str, Any]], home: Path) -> Iterator[Server]:
    """`stellarator up` on the first host, which joins the Ray that is there."""
    files = []
    for workflow in workflows:
        files.append(str(home / f"{workflow['name']}.yaml"))
        YAML(typ="safe").dump(dict(workflow), Path(files[-1]))
    up = [str(Path(sys.executable).with_name("stellarator")), "up", *files]
    where = ["--address", f"{made.address(0)}:{GCS_PORT}", "--host", "0.0.0.0", "--port", str(HTTP_PORT)]  # noqa: S104  # of the namespace
    environment = worker_environment(_settings(home))
    del environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]
    log = home / "up.log"
    with (
        log.open("wb") as out,
        process(made.on(0, *up, *where), environment, stdout=out, stderr=out) as running,
    ):
        server = Server(f"http://{made.address(0)}:{HTTP_PORT}/v1", KEY, Group(running.pid), home)
        await_ready(server, running, log)
        yield server


def _settings(home: Path) -> Settings:
    settings = Settings.from_env({"STELLARATOR_HOME": str(home), "STELLARATOR_API_KEY": KEY})
    local_ray.write_token(settings)
    return settings


def _ip(*arguments: str) -> None:
    try:
        subprocess.run([shutil.which("ip") or "ip", *arguments], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        raise HostsRefused(f"`ip {' '.join(arguments[:2])}`: {reason.strip()}") from error
