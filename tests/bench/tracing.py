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
    without, with_ = list[float](), list[float]()
    for number in range(rounds):
        turns = [(silent, speaking, without), (speaking, silent, with_)]
        for server, other, used in turns if number % 2 else reversed(turns):
            used.append(_cpu_ms(server, other))
    spans = (sink.received - before) / (RUNS * rounds)
    pairs = list(zip(with_, without, strict=True))
    yield over("tracing_cpu_overhead", [on / off - 1 for on, off in pairs], "share", "the same, untraced")
    yield over("untraced_cpu_ms", without, "ms CPU a run")
    yield over("tracing_cpu_ms", [on - off for on, off in pairs], "ms CPU a run")
    yield Figure("tracing_spans", spans, "a run")


def _cpu_ms(server: Server, idle: Server) -> float:
    """Milliseconds of CPU for each run, with what is done after it: credits, and the spans that leave seconds later.

    What a product uses while it idles is taken off: as much as the other one uses meanwhile.
    """
    before = server.processes.cpu_s()
    load(server, "panel", RUNS, AT_ONCE)
    idling = idle.processes.cpu_s()
    time.sleep(SENT_AFTER_S)
    used = server.processes.cpu_s() - before - (idle.processes.cpu_s() - idling)
    return 1000 * used / RUNS
