"""Which session runs in a state folder: a lock that the kernel holds, and a note of what must be cleaned up.

The lock is freed when its process dies, however it dies, so it alone says whether a session runs. The note names
the session's folder; a note without a lock is what a killed process left behind.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from cluster import processes
from cluster.errors import SetupError
from cluster.settings import Settings
from cluster.signals import uninterrupted

FOLDER_PREFIX = "st-"
FOLDER_NAME_BYTES = len("st-4194304-123456")
KEPT_LOGS = 5
CLAIM_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Running:
    """A local session, as its note tells it.

    Attributes:
        pid: of the process that started it.
        pid_created: when that process started, Unix time; with `pid` it is unique.
        started_at: when the session started, Unix time.
        folder: where Ray's own files are.
        host: what its HTTP server binds.
        port: its port.
        address: of its Ray, to join it; empty while it is starting.
    """

    pid: int
    pid_created: float
    started_at: float
    folder: str
    host: str
    port: int
    address: str = ""

    @property
    def base_url(self) -> str:
        """Where its HTTP server is reached from this machine."""
        return address_here(self.host, self.port)


def address_here(host: str, port: int) -> str:
    """Where an HTTP server that binds `host` is reached from this machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  # read, not bound
    return f"http://{reached}:{port}"


class Claim:
    """The right to run the session of a state folder; the holder writes its note."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self.folder = folder
        self._note = Running(
            pid=os.getpid(),
            pid_created=psutil.Process().create_time(),
            started_at=time.time(),
            folder=str(folder),
            host=settings.host,
            port=settings.port,
        )
        _write(settings, self._note)

    def running_at(self, address: str) -> None:
        """Note that Ray is up and where."""
        self._note = replace(self._note, address=address)
        _write(self._settings, self._note)


@contextmanager
def claim(settings: Settings, parent: Path) -> Iterator[Claim]:
    """Hold the state folder for a session in a new folder in `parent`; at the end nothing of it is left.

    What an earlier session left that was killed is cleaned up first.

    Raises:
        SetupError: a session is running in this state folder.
    """
    with _locked(settings, CLAIM_PATIENCE_S) as held:
        if not held:
            raise SetupError(_already(running(settings), settings))
        clean(settings)
        folder = _new_folder(parent)
        try:
            yield Claim(settings, folder)
        finally:
            with uninterrupted():
                clean(settings)


def running(settings: Settings) -> Running | None:
    """The session that runs in this state folder now; None when none does."""
    with _locked(settings, 0) as held:
        return None if held else _read(settings)


def wait_until_ended(settings: Settings, timeout: float) -> bool:
    """Whether the session ended within `timeout` seconds."""
    with _locked(settings, timeout) as held:
        return held


def clean_leftovers(settings: Settings) -> bool:
    """Clean up after a session that was killed, unless one runs; whether there was anything to clean."""
    with _locked(settings, CLAIM_PATIENCE_S) as held:
        return held and clean(settings)


def clean(settings: Settings) -> bool:
    """Stop what still works in the noted session's folder, keep its logs, remove the rest. For the lock's holder."""
    note = _read(settings)
    if note is None:
        return False
    folder = Path(note.folder)
    if _is_ours(folder):
        processes.stop(processes.inside(folder))
        _keep_logs(folder, settings.folder("logs"))
        shutil.rmtree(folder, ignore_errors=True)
    _note_file(settings).unlink(missing_ok=True)
    return True


def _already(note: Running | None, settings: Settings) -> str:
    who = f" (process {note.pid})" if note else ""
    return (
        f"Stellarator already runs with the state folder {settings.home}{who}. "
        "Stop it with `stellarator down`, or set STELLARATOR_HOME to another folder."
    )


@contextmanager
def _locked(settings: Settings, patience: float) -> Iterator[bool]:
    """Whether the lock could be had within `patience` seconds; held inside the block if so."""
    file = os.open(settings.home / "session.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _lock(file, time.monotonic() + patience)
    finally:
        os.close(file)


def _lock(file: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)  # the kernel has no lock with a timeout
        else:
            return True


def _new_folder(parent: Path) -> Path:
    folder = parent / f"{FOLDER_PREFIX}{os.getpid()}-{secrets.token_hex(3)}"
    folder.mkdir(mode=0o700)
    return folder


def _is_ours(folder: Path) -> bool:
    # The note is only text in a file: never remove what does not look like a session's folder of this user.
    return (
        folder.name.startswith(FOLDER_PREFIX)
        and folder.is_dir()
        and not folder.is_symlink()
        and folder.stat().st_uid == os.getuid()
    )


def _keep_logs(folder: Path, logs: Path) -> None:
    for session in folder.glob("*/session_*_*"):
        if (session / "logs").is_dir() and not session.is_symlink():
            with suppress(OSError):  # a log that cannot be kept must not keep the rest from being removed
                shutil.move(session / "logs", logs / session.name)
    for old in sorted(logs.glob("session_*"))[:-KEPT_LOGS]:
        shutil.rmtree(old, ignore_errors=True)


def _note_file(settings: Settings) -> Path:
    return settings.home / "session.json"


def _write(settings: Settings, note: Running) -> None:
    new = settings.home / "session.json.new"
    new.write_text(json.dumps(asdict(note)))
    new.replace(_note_file(settings))


def _read(settings: Settings) -> Running | None:
    try:
        return Running(**json.loads(_note_file(settings).read_text()))
    except (OSError, ValueError, TypeError):  # none, or written by another version
        return None
