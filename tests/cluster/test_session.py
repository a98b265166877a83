"""A session leaves nothing behind, however it ends, and does not disturb another one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Self

import psutil
import pytest

from cluster import local_ray
from cluster.errors import SetupError
from cluster.guard import ROOT
from cluster.health import look
from cluster.processes import inside
from cluster.roles import LOCAL_CPUS, ROLES
from cluster.session import connect, running, stop
from cluster.settings import Settings, environment, uv_program

pytestmark = pytest.mark.ray
HOLDER = Path(__file__).with_name("holder.py")


@dataclass
class Holder:
    """`holder.py` in a process group of its own, with a home, temporary and working folder of its own."""

    settings: Settings
    scratch: Path
    arguments: tuple[str, ...] = ()
    launcher: tuple[str, ...] = (sys.executable,)
    ready: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.stderr: IO[str] = (self.scratch / "stderr").open("w+")
        self.process = subprocess.Popen(
            [*self.launcher, str(HOLDER), *self.arguments],
            env={
                **os.environ,
                "STELLARATOR_HOME": str(self.settings.home),
                "TMPDIR": str(self.scratch / "tmp"),
                "HOME": str(self.scratch / "user"),
                "PYTHONPATH": "",
            },
            cwd=self.scratch / "project",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.errors()
        self.ready = json.loads(line)
        self.members = inside(Path(self.ready["folder"]))
        assert len(self.members) >= 4, "gcs_server, raylet, agents and a worker work in the session's folder"
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        stop(self.settings)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.stderr.close()

    def leave(self) -> int:
        """Let it leave the block by itself."""
        self.process.communicate("\n", timeout=60)
        return self.process.returncode

    def errors(self) -> str:
        return (self.scratch / "stderr").read_text()

    def assert_nothing_is_left(self) -> None:
        assert not [p for p in self.members if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        assert not Path(self.ready["folder"]).exists()
        temporary = {entry.name for entry in (self.scratch / "tmp").iterdir()}
        assert {name for name in temporary if not name.startswith("uv-")} == set()  # uv's own lock
        assert list((self.scratch / "user").iterdir()) == []
        kept = {entry.name for entry in self.settings.home.iterdir()}
        assert kept <= {"logs", "ray-token", "session.lock"}
        assert running(self.settings) is None


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder with a short path, for Ray's sockets; with a package that shadows ours for who looks there first."""
    folder = Path(tempfile.mkdtemp(prefix="h", dir="/tmp"))
    for name in ("tmp", "user", "project/actors"):
        (folder / name).mkdir(parents=True)
    (folder / "project" / "actors" / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def settings(scratch: Path) -> Settings:
    return Settings.from_env({"STELLARATOR_HOME": str(scratch / "s")})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def exposed(processes: list[psutil.Process]) -> list[str]:
    """The names of processes that listen on something else than loopback."""
    found = []
    for process in processes:
        listening = [c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        if any(ip not in {"127.0.0.1", "::ffff:127.0.0.1", "::1"} for ip in listening):
            found.append(process.name())
    return found


def test_leaving_the_block_leaves_nothing_and_nothing_was_exposed(scratch: Path, settings: Settings) -> None:
    port = free_port()
    with Holder(settings, scratch, ("--serve", str(port))) as holder:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert answer.read() == b"hello"
        # The one that Ray 2.60 always binds everywhere: a replica's gRPC port, behind the token (cluster/README.md).
        assert [name for name in exposed(holder.members) if not name.startswith("ray::ServeRepli")] == []
        assert holder.ready["actors"] == str(ROOT / "actors" / "__init__.py")
        assert Path(holder.ready["folder"]).parent == settings.home
        assert holder.leave() == 0
        holder.assert_nothing_is_left()
        assert holder.errors() == ""
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        assert list((settings.home / "logs").glob("session_*/gcs_server.out"))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["ctrl-c", "sigterm", "terminal-closed"],
)
def test_a_signal_ends_the_session_in_order(
    scratch: Path, settings: Settings, number: signal.Signals, code: int
) -> None:
    with Holder(settings, scratch) as holder:
        if number is signal.SIGINT:  # a terminal sends it to the whole group, Ray's processes included
            os.killpg(holder.process.pid, number)
        else:
            holder.process.send_signal(number)
        assert holder.process.wait(60) == code
        holder.assert_nothing_is_left()


def test_an_exception_in_the_block_ends_the_session_and_is_not_swallowed(
    scratch: Path, settings: Settings
) -> None:
    with Holder(settings, scratch, ("--raise",)) as holder:
        assert holder.process.wait(60) == 1
        assert "on purpose" in holder.errors()
        holder.assert_nothing_is_left()


def test_under_uv_run_workers_are_started_as_everywhere(scratch: Path, settings: Settings) -> None:
    uv = uv_program()
    if uv is None:
        pytest.skip("uv is not installed")
    launcher = (uv, "run", "--no-sync", "--cache-dir", str(scratch / "uv"), "--project", str(ROOT), "python")
    with Holder(settings, scratch, launcher=launcher) as holder:
        assert holder.ready["path"][0] == holder.ready["folder"], "the working directory was uploaded"
        assert holder.ready["python"] == sys.executable
        assert holder.leave() == 0
        holder.assert_nothing_is_left()


def test_what_a_hard_kill_leaves_is_cleaned_up_by_the_next(scratch: Path, settings: Settings) -> None:
    with Holder(settings, scratch, ("--orphan",)) as holder:
        orphan = psutil.Process(holder.ready["orphan"])
        holder.process.kill()
        holder.process.wait()
        assert orphan.is_running()
        assert running(settings) is None
        assert stop(settings)
        holder.assert_nothing_is_left()
        assert not orphan.is_running()
        assert not stop(settings), "the second time there is nothing to stop"


def test_two_sessions_live_side_by_side(scratch: Path, settings: Settings) -> None:
    other = replace(settings, home=settings.home.with_name("t"))
    other.home.mkdir()
    with Holder(settings, scratch) as one, Holder(other, scratch) as two:
        assert one.ready["address"] != two.ready["address"]

        with pytest.raises(SetupError, match="already runs") as refused, connect(settings):
            pass
        assert f"process {one.process.pid}" in str(refused.value)

        assert stop(other)
        assert two.process.wait(60) == 143
        two.assert_nothing_is_left()

        note = running(settings)
        assert note
        assert note.base_url == "http://127.0.0.1:8000"
        assert join_and_count(settings, note.address) == 1
        assert join_and_count(settings, note.address) == 1, "joining and leaving ends nothing"
        with environment({"RAY_AUTH_TOKEN_PATH": str(other.ray_token_file), "RAY_AUTH_MODE": "token"}):
            stranger = replace(other, ray_address=note.address)
            with pytest.raises(SetupError, match="RAY_AUTH_TOKEN_PATH"), connect(stranger):
                pass
        assert one.leave() == 0
        one.assert_nothing_is_left()


def join_and_count(settings: Settings, address: str) -> int:
    """Join the session in this process; look at its actors; return the number of machines seen."""
    with connect(replace(settings, ray_address=address)) as session:
        assert session.address == address
        assert not session.started
        health = look()
        assert health.strangers == ("worker",)
        assert {presence.role for presence in health.roles} == {role.name for role in ROLES}
        assert next(p.actors for p in health.roles if p.role == "coordinator") == ("coordinator-0",)
        return sum(node.alive and node.head and node.cpus >= LOCAL_CPUS for node in health.nodes)


def test_a_long_state_folder_gets_a_short_one_for_rays_sockets(scratch: Path) -> None:
    settings = Settings.from_env({"STELLARATOR_HOME": str(scratch / ("long" * 20))})
    with Holder(settings, scratch) as holder:
        folder = Path(holder.ready["folder"])
        assert folder.parent == scratch / "tmp"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(bytes(folder)) <= local_ray.LONGEST_FOLDER
        assert holder.leave() == 0
        holder.assert_nothing_is_left()


def test_a_cluster_that_is_not_there_cannot_be_joined(settings: Settings) -> None:
    with pytest.raises(SetupError, match="joined"), connect(replace(settings, ray_address="127.0.0.1:9")):
        pass
