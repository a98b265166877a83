"""One server for each state folder: who holds the folder, and where that server answers.

`up` holds a lock on a file in the state folder for as long as it lives, and writes into that file where it
answers. A lock and not a mere pid file: the kernel drops it with the process, however that dies, so what the
file says is true exactly while the lock is held, and no signal ever reaches a stranger who got an old number.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep

from workflows.errors import ClusterError, SetupInvalid

_SIZE = 4096
"""Bytes of the file, always: written whole in one go, so that nobody reads half of it."""
_TRIES, _LOOK_AGAIN = 5, 0.1
"""Someone else's look at the lock holds it for a moment, so one refusal is none."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a state folder.

    Attributes:
        pid: the process.
        started_at: Unix time in seconds.
        base_url: where it answers, ending in ``/v1``; empty while it is starting.
        models: the names of its virtual models.
    """

    pid: int
    started_at: float
    base_url: str = ""
    models: tuple[str, ...] = ()


@contextmanager
def held(home: Path, claim: Claim) -> Iterator[Callable[[Claim], None]]:
    """Hold the state folder; what is yielded writes down a newer claim.

    Raises:
        SetupInvalid: another process holds it.
    """
    descriptor = os.open(_path(home), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(descriptor, fcntl.LOCK_EX):
            raise SetupInvalid(_taken(home, _read(descriptor)))
        _write(descriptor, claim)
        yield lambda newer: _write(descriptor, newer)
    finally:
        os.close(descriptor)


def holder_of(home: Path) -> Claim | None:
    """Who holds the state folder now; None when nobody does."""
    try:
        descriptor = os.open(_path(home), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(descriptor, fcntl.LOCK_SH) else _read(descriptor)
    finally:
        os.close(descriptor)


def stop(home: Path, claim: Claim, patience: float) -> None:
    """Ask the holder to stop; return when it is gone.

    Raises:
        ClusterError: it is still there after `patience` seconds.
        SetupInvalid: it belongs to another user.
    """
    try:
        os.kill(claim.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise SetupInvalid(f"Process {claim.pid} belongs to another user; stop it as that user.") from error
    until = monotonic() + patience
    while holder_of(home) is not None:
        if monotonic() > until:
            raise ClusterError(
                f"Process {claim.pid} was told to stop but is still there after {patience:g} s."
            )


def _path(home: Path) -> Path:
    return home / "up.lock"


def _locked(descriptor: int, kind: int) -> bool:
    """Try to lock the file, for about half a second."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            sleep(_LOOK_AGAIN)
        else:
            return True
    return False


def _write(descriptor: int, claim: Claim) -> None:
    os.pwrite(descriptor, json.dumps(asdict(claim)).encode().ljust(_SIZE), 0)


def _read(descriptor: int) -> Claim | None:
    """What the file says; None when the lock's new holder has not written yet."""
    try:
        told = json.loads(os.pread(descriptor, _SIZE, 0))
        return Claim(told["pid"], told["started_at"], told["base_url"], tuple(told["models"]))
    except (ValueError, KeyError, TypeError):
        return None


def _taken(home: Path, claim: Claim | None) -> str:
    where = f" at {claim.base_url}" if claim and claim.base_url else ""
    who = f" (process {claim.pid})" if claim else ""
    return (
        f"A server is already running{where}{who} with the state folder {home}. "
        "Stop it with `stellarator down`, or give this one a folder of its own with STELLARATOR_HOME."
    )
