"""Whether this machine can carry a server: versions, disks, memory, files, ports, the collector."""

from __future__ import annotations

import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from cluster import open_files as files
from cluster.findings import Finding, State
from cluster.settings import Settings, TelemetrySettings

MIB = 1024 * 1024
GIB = 1024 * MIB
DISK = (200 * MIB, 2 * GIB)
"""Free bytes below which a folder is wrong or doubtful; the embedded model alone takes 130 MB."""
DISK_SHARE = 0.95
"""Ray puts nothing more on a disk that is fuller than that."""
SHARED_MEMORY = (32 * MIB, 256 * MIB)
MEMORY = (512 * MIB, 1 * GIB)
"""A server takes about 500 MB, and Ray ends workers when 95 % of the memory is taken."""
FILES = (1024, 4096)
"""Open files: a socket for each call under way, and a few hundred for Ray's processes."""
PYTHON = (3, 11)
CONNECT_S = 3.0


def versions() -> Iterator[Finding]:
    """Python and Ray."""
    running = platform.python_version()
    if sys.version_info < PYTHON:
        yield Finding("Python", "fail", f"is {running}", "Use Python 3.11 or newer.")
    else:
        yield Finding("Python", "ok", running)
    try:
        yield Finding("Ray", "ok", version("ray"))
    except PackageNotFoundError:
        yield Finding("Ray", "fail", "is not installed", "Install Stellarator again, with its dependencies.")


def disks(settings: Settings) -> Iterator[Finding]:
    """The state folder, and the temporary folder where that is on another disk."""
    yield _disk("State folder", settings.home)
    temporary = Path(tempfile.gettempdir())
    if temporary.stat().st_dev != settings.home.stat().st_dev:
        yield _disk("Temporary folder", temporary)


def memory() -> Iterator[Finding]:
    """Memory, and the part that processes share, where Ray keeps its objects."""
    available = psutil.virtual_memory().available
    remedy = "Stop other programs, or use a larger machine."
    yield Finding("Memory", _grade(available, MEMORY), f"{_size(available)} available", remedy)
    shared = Path("/dev/shm")  # noqa: S108  # a look at its size
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        remedy = "Ray then uses the disk, which is slow: give the container --shm-size=512m."
        yield Finding("Shared memory", _grade(free, SHARED_MEMORY), f"{_size(free)} free in {shared}", remedy)


def open_files() -> Iterator[Finding]:
    """How many files and sockets a process may have open; ours raise their own limit as far as they may."""
    limit = files.allowed()
    remedy = "Raise the hard limit before starting: ulimit -Hn 65536."
    yield Finding("Open files", _grade(limit, FILES), f"up to {limit:,} for each process", remedy)


def port(subject: str, host: str, number: int, ours: frozenset[int], option: str) -> Finding:
    """A port that a server listens on, or wants to; `ours` are the ports of one that runs here."""
    if number in ours:
        return Finding(subject, "ok", f"{host}:{number} is our server's")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, number), family=family).close()
    except OSError as error:
        said = f"{host}:{number} cannot be listened on: {_holder(number) or error.strerror or error}"
        return Finding(subject, "fail", said, f"Stop that program, or choose another port with {option}.")
    return Finding(subject, "ok", f"{host}:{number} is free")


def collector(settings: TelemetrySettings) -> Iterator[Finding]:
    """Whether somebody listens where traces and metrics are sent."""
    if not settings.endpoint:
        yield Finding(
            "Collector", "off", "OTEL_EXPORTER_OTLP_ENDPOINT is not set: no traces, no OTLP metrics"
        )
        return
    address = urlsplit(settings.endpoint if "//" in settings.endpoint else f"//{settings.endpoint}")
    number = address.port or (443 if address.scheme == "https" else 80)
    place = f"{address.hostname}:{number} ({settings.protocol})"
    if trouble := unreachable(address.hostname or "", number):
        remedy = "Start the collector (deploy/compose.yaml has Jaeger), or mend OTEL_EXPORTER_OTLP_ENDPOINT. Runs go on without."
        yield Finding("Collector", "warn", f"nobody answers at {place}: {trouble}", remedy)
    else:
        yield Finding("Collector", "ok", f"answers at {place}")


def unreachable(host: str, number: int) -> str:
    """Why no connection can be made there; empty when one can."""
    try:
        socket.create_connection((host, number), timeout=CONNECT_S).close()
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return ""


def _disk(subject: str, folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    state = _grade(usage.free, DISK)
    full = usage.used / (usage.used + usage.free)
    if state == "ok" and full > DISK_SHARE:
        state = "warn"
    said = f"{_size(usage.free)} free in {folder}, which is {full:.0%} full"
    return Finding(
        subject, state, said, "" if state == "ok" else "Free some space, or move STELLARATOR_HOME."
    )


def _grade(value: int, bounds: tuple[int, int]) -> State:
    wrong, doubtful = bounds
    return "fail" if value < wrong else "warn" if value < doubtful else "ok"


def _holder(number: int) -> str:
    """Who listens on a port, where the system tells."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return ""
    for each in connections:
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr[1] == number:
            return _program(each.pid)
    return ""


def _program(pid: int | None) -> str:
    if pid is None:
        return "another user's program has it"
    try:
        return f"{psutil.Process(pid).name()} (process {pid}) has it"
    except psutil.Error:
        return f"process {pid} has it"


def _size(value: float) -> str:
    return f"{value / GIB:.1f} GB" if value >= GIB else f"{value / MIB:.0f} MB"
