"""What tracing costs: the CPU of fusion runs with spans exported to a collector, against the same without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from tests.bench.effort import Effort
from tests.bench.figures import Figure, over
from tests.bench.load import load
from tests.bench.scenes import fusion, rules
from tests.bench.stand import Server, product, upstream
from tests.otlp import GrpcReceiver

AT_ONCE = 16
RUNS = 40
"""In each measurement; many short ones that alternate share out what else the machine does."""
SENT_AFTER_S = 5.5
"""Spans leave a process within five seconds."""


class Sink(GrpcReceiver):
    """A collector that only counts."""

    received = 0

    def receive(self, request: Any, headers: Any = ()) -> None:  # noqa: ARG002  # a collector may read them
        self.received += sum(len(s.spans) for group in request.resource_spans for s in group.scope_spans)

    def settle(self) -> None:
        """Return when every process had its turn to send what it has."""
        time.sleep(SENT_AFTER_S)


def measure(effort: Effort) -> Iterator[Figure]:
    """CPU over all processes of the product, in rounds that alternate between two of them."""
    with Sink() as sink, upstream(rules()) as models:
        workflows = [fusion("panel", models.base_url)]
        traced = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": sink.endpoint,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": sink.protocol,
        }
        with product(workflows) as silent, product(workflows, traced) as speaking:
            for server in (silent, speaking):
                load(server, "panel", effort.of(64, AT_ONCE), AT_ONCE)
            yield from _compared(silent, speaking, sink, effort)


def _compared(silent: Server, speaking: Server, sink: Sink, effort: Effort) -> Iterator[Figure]:
    rounds, before = effort.of(16, 2), sink.received
    pairs = [_pair(silent, speaking, sink, number) for number in range(rounds)]
    spans = (sink.received - before) / (RUNS * rounds)
    yield over("tracing_cpu_overhead", [on / off - 1 for off, on in pairs], "share", "the same, untraced")
    yield over("untraced_cpu_ms", [off for off, _ in pairs], "ms CPU a run")
    yield over("tracing_cpu_ms", [on - off for off, on in pairs], "ms CPU a run")
    yield Figure("tracing_spans", spans, "a run")


def _pair(silent: Server, speaking: Server, sink: Sink, number: int) -> tuple[float, float]:
    """Milliseconds of CPU for each run, untraced and traced."""
    if number % 2:
        return _cpu_ms(silent), _cpu_ms(speaking) + _late_ms(silent, speaking, sink)
    on = _cpu_ms(speaking) + _late_ms(silent, speaking, sink)
    return _cpu_ms(silent), on


def _cpu_ms(server: Server) -> float:
    """Milliseconds of CPU for each run."""
    before = server.processes.cpu_s()
    load(server, "panel", RUNS, AT_ONCE)
    return 1000 * (server.processes.cpu_s() - before) / RUNS


def _late_ms(silent: Server, speaking: Server, sink: Sink) -> float:
    """What sending the rest takes, which leaves seconds after the runs: while both idle, how much more one works."""
    before = silent.processes.cpu_s(), speaking.processes.cpu_s()
    sink.settle()
    idle, busy = silent.processes.cpu_s() - before[0], speaking.processes.cpu_s() - before[1]
    return 1000 * (busy - idle) / RUNS
