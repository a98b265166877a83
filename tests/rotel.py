"""A real OpenTelemetry collector (rotel, Apache-2.0) in a process of its own: OTLP over gRPC in, OTLP over HTTP out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from serve_app.cli.room import free_port
from tests.otlp import Receiver

LOOPBACK = "127.0.0.1"


def program() -> Path | None:
    """Where it is; None on systems for which it has no wheel."""
    found = find_spec("rotel")
    return Path(found.origin).with_name("rotel-agent") if found and found.origin else None


@contextmanager
def forwarding(to: Receiver, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a collector that sends what it gets on to `to`, and its process."""
    agent, grpc, http = program(), free_port(LOOPBACK), free_port(LOOPBACK)
    assert agent is not None
    options = {
        "otlp-grpc-endpoint": f"{LOOPBACK}:{grpc}",
        "otlp-http-endpoint": f"{LOOPBACK}:{http}",
        "otlp-exporter-endpoint": to.endpoint,
        "otlp-exporter-protocol": "http",
        "pid-file": str(folder / "rotel.pid"),
        "log-file": str(folder / "rotel.log"),
    }
    command = [str(agent), "start", *(f"--{name}={value}" for name, value in options.items())]
    with (
        (folder / "rotel.out").open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out) as process,
    ):
        try:
            yield f"http://{LOOPBACK}:{grpc}", process
        finally:
            process.kill()
