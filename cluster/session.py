"""Where a run runs: a Ray of its own on this machine, or a cluster that is there already.

    with connect(settings) as session:
        ...

Leaving the block, by whatever way, leaves nothing behind: no process, no port, no file outside the state
folder. That holds for an exception, Ctrl-C, SIGTERM and a closed terminal; what a `kill -9` leaves, the next
`connect` or `stop` with the same state folder cleans up. Ray gives its workers no time to finish, so whoever
has something to finish (the journal, traces) does it inside the block.

Two sessions need two state folders. To join the session that runs in this one:

    connect(replace(settings, ray_address=running(settings).address))
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster import local_ray, record
from cluster.errors import SetupError
from cluster.guard import check_packages
from cluster.record import Running, address_here, running
from cluster.settings import Settings, environment, worker_environment
from cluster.signals import ending_in_order

__all__ = ["Running", "Session", "address_here", "connect", "running", "stop"]

STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Session:
    """A live connection to Ray.

    Attributes:
        address: of its Ray, ``host:port``.
        started: whether it was started here, and ends with the block.
    """

    address: str
    started: bool


@contextmanager
def connect(settings: Settings) -> Iterator[Session]:
    """Join the cluster at `settings.ray_address`, or start a local one. To be called in the main thread.

    Raises:
        SetupError: the state folder is in use, Ray does not start or cannot be joined, or another package
            has the name of one of ours.
    """
    check_packages()
    with ending_in_order() as arm:
        if settings.ray_address is None:
            with _started(settings, arm) as address:
                yield Session(address, started=True)
        else:
            with _joined(settings, settings.ray_address, arm) as address:
                yield Session(address, started=False)


def stop(settings: Settings, timeout: float = STOP_TIMEOUT_S) -> bool:
    """End the session that runs in this state folder, or clean up after a killed one; whether there was one.

    The session's process gets SIGTERM, and after `timeout` seconds SIGKILL.
    """
    note = running(settings)
    if note is None:
        return record.clean_leftovers(settings)
    _signal(note, signal.SIGTERM)
    if not record.wait_until_ended(settings, timeout):
        _signal(note, signal.SIGKILL)
        record.wait_until_ended(settings, timeout)
    record.clean_leftovers(settings)
    return True


@contextmanager
def _started(settings: Settings, arm: Callable[[], None]) -> Iterator[str]:
    local_ray.write_token(settings)
    with (
        environment(worker_environment(settings)),
        record.claim(settings, _parent_of_ray(settings)) as claim,
        local_ray.started(claim.folder, settings.metrics_port) as address,
    ):
        arm()  # Ray has put a handler of its own
        claim.running_at(address)
        yield address


@contextmanager
def _joined(settings: Settings, address: str, arm: Callable[[], None]) -> Iterator[str]:
    here = running(settings)
    ours = here is not None and here.address == address
    with (
        environment(worker_environment(settings)) if ours else nullcontext(),
        local_ray.joined(address) as joined_address,
    ):
        arm()
        yield joined_address


def _parent_of_ray(settings: Settings) -> Path:
    """Where to put Ray's folder: in the state folder, unless its sockets' paths would be too long for the kernel."""
    for parent in (settings.home, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108  # the folder is private
        if len(bytes(parent)) + record.FOLDER_NAME_BYTES + 1 <= local_ray.LONGEST_FOLDER and parent.is_dir():
            return parent
    raise SetupError(
        f"The state folder {settings.home} and the temporary folder {tempfile.gettempdir()} have paths too long for "
        "Ray's sockets. Set STELLARATOR_HOME or TMPDIR to a shorter one."
    )


def _signal(note: Running, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(note.pid)
        if process.create_time() == note.pid_created:  # else another program has got its number
            process.send_signal(number)
