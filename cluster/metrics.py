"""Metrics of this process: one call records a value for OTLP and for Prometheus.

    setup("lane")                                              # once per process, after Ray is connected
    record(RETRIES, 1, {"virtual_model": "fusion-review", ...})
    watch(CALLS_ACTIVE, lambda: len(flights), {})              # a gauge, read every few seconds

A value goes to each sink of this process: an OTLP exporter when the standard variables name an endpoint, and Ray's
own metrics when this is a process of a Ray (each node's metrics port serves them to Prometheus). Without a sink
nothing happens. Recording takes microseconds and never waits; a collector that is down costs one warning.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from cluster.instruments import Instrument
from cluster.metric_sinks import OtlpSink, RaySink
from cluster.settings import TelemetrySettings
from cluster.within import within

Attributes: TypeAlias = Mapping[str, str]

WATCH_SECONDS = 2.0
"""How often gauges are read; Ray drops one that was silent for twice its report interval (10 s)."""
EXIT_TIMEOUT_S = 2.0

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where values go."""

    def record(self, instrument: Instrument, value: float, attributes: Attributes) -> None:
        """Take one value; return at once."""

    def flush(self) -> None:
        """Send what is there."""

    def close(self) -> None:
        """Send what is there, for the last time."""


@dataclass(frozen=True, slots=True)
class _Watched:
    instrument: Instrument
    read: Callable[[], float]
    attributes: Attributes


@dataclass(slots=True)
class _Process:
    """What `setup` made of this process."""

    sinks: Sequence[Sink] = ()
    watched: list[_Watched] = field(default_factory=list)
    watcher: threading.Thread | None = None
    over: threading.Event = field(default_factory=threading.Event)


_process = _Process()


def setup(role: str, settings: TelemetrySettings | None = None) -> None:
    """Start exporting this process' metrics. Harmless to repeat.

    Raises:
        SetupError: the environment asks for a protocol that does not exist.
    """
    if _process.sinks:
        return
    wanted = settings or TelemetrySettings.from_env()
    sinks: list[Sink] = [OtlpSink(role, wanted)] if wanted.metrics else []
    if _in_ray():
        sinks.append(RaySink())
    use(*sinks)


def use(*sinks: Sink) -> None:
    """Send this process' values to these."""
    _process.sinks = sinks
    _process.over.clear()
    if sinks:
        atexit.register(shutdown)


def record(instrument: Instrument, value: float, attributes: Attributes) -> None:
    """Count, observe or set one value. Attributes that are left out are unknown; none may be invented.

    For a counter `value` is added, a histogram observes it, a gauge is set to it.
    """
    for sink in _process.sinks:
        sink.record(instrument, value, attributes)


def watch(instrument: Instrument, read: Callable[[], float], attributes: Attributes) -> Callable[[], None]:
    """Read a gauge every few seconds, until what this returns is called; `read` is called in a thread."""
    if not _process.sinks:
        return lambda: None
    watched = _Watched(instrument, read, {**attributes, "process": str(os.getpid())})
    _process.watched.append(watched)
    if _process.watcher is None:
        _process.watcher = threading.Thread(target=_keep_reading, name="gauges", daemon=True)
        _process.watcher.start()

    def forget() -> None:
        if watched in _process.watched:
            _process.watched.remove(watched)

    return forget


def read_gauges() -> None:
    """Read every gauge that is watched, now."""
    for watched in tuple(_process.watched):
        record(watched.instrument, watched.read(), watched.attributes)


def flush(timeout: float = EXIT_TIMEOUT_S) -> bool:
    """Send what was recorded so far; whether that was done within `timeout` seconds."""
    return within(timeout, lambda: _each(_process.sinks, lambda sink: sink.flush()))


def shutdown(timeout: float = EXIT_TIMEOUT_S) -> None:
    """Send what is left, for at most `timeout` seconds, and stop. Runs by itself at exit."""
    sinks, _process.sinks = _process.sinks, ()
    _process.over.set()
    _process.watched.clear()
    _process.watcher = None
    if sinks:
        within(timeout, lambda: _each(sinks, lambda sink: sink.close()))
        atexit.unregister(shutdown)


def _each(sinks: Sequence[Sink], do: Callable[[Sink], None]) -> None:
    for sink in sinks:
        do(sink)


def _keep_reading() -> None:
    over = _process.over
    while not over.wait(WATCH_SECONDS):
        try:
            read_gauges()
        except Exception as error:  # noqa: BLE001  # the next reading may go well
            _log.warning("a gauge could not be read (%s)", type(error).__name__)


def _in_ray() -> bool:
    ray = sys.modules.get("ray")  # a process that has not imported it is none of its own
    return ray is not None and bool(ray.is_initialized())
