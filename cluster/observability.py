"""Logs, traces and metrics of a process, begun and ended together.

setup("lane")        # first thing in every process of ours
flush()              # before Ray ends it without notice
"""

from __future__ import annotations

from cluster import logs, metrics, telemetry


def setup(role: str) -> None:
    """Begin; `role` is what this process is, for example ``coordinator``. Harmless to repeat.

    Raises:
        SetupError: the environment asks for something that does not exist.
    """
    logs.setup(role)
    telemetry.setup(role)
    metrics.setup(role)


def flush(timeout: float = telemetry.EXIT_TIMEOUT_S) -> None:
    """Send what there is: traces, then metrics, for at most `timeout` seconds each."""
    telemetry.flush(timeout)
    metrics.flush(timeout)
