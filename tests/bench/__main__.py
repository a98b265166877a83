"""Run benchmarks and show their figures: what `stellarator bench` starts.

python -m tests.bench                     # all of them, about a quarter of an hour
python -m tests.bench fusion in-flight --json
python -m tests.bench --markdown tests/bench/README.md
python -m tests.bench --soak 60
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from rich.console import Console

from tests.bench import (
    fusion_overhead,
    heavy_tail,
    in_flight,
    journal,
    nodes,
    passthrough,
    report,
    soak,
    startup,
    tracing,
)
from tests.bench.effort import FULL, QUICK, Effort
from tests.bench.figures import Figure, Note, flat, table
from tests.bench.machine import Calm, calm, described

WIDTH = 140
"""Of the table where there is no terminal."""

Benchmark: TypeAlias = Callable[[Effort], Iterator[Figure | Note]]
Measured: TypeAlias = tuple[Figure, Calm]

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "startup": startup.measure,
        "fusion": fusion_overhead.measure,
        "passthrough": passthrough.measure,
        "in-flight": in_flight.measure,
        "nodes": nodes.on_one_machine,
        "hosts": nodes.on_hosts,
        "tail": heavy_tail.measure,
        "journal": journal.measure,
        "tracing": tracing.measure,
    }
)


def main() -> None:
    """Measure what the command line names; the exit code is 1 when a benchmark failed."""
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    screen = Console(stderr=True)
    screen.print(described(), style="dim", soft_wrap=True)
    bench = _Bench(screen)
    figures = []
    for figure, now in bench.run(_chosen(given), QUICK if given.quick else FULL):
        figures.append(figure)
        if given.markdown:  # at once, so that whoever stops it keeps what has been measured
            report.write(given.markdown, [(figure, now)])
    if given.json:
        json.dump(flat(figures), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(table(figures))
    for failure in bench.failures:
        screen.print(failure, style="red", markup=False)
    sys.exit(1 if bench.failures else 0)


class _Bench:
    """Runs benchmarks one after the other; one that fails leaves the others their figures."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._began = time.monotonic()
        self.failures: list[str] = []

    def run(self, benchmarks: Mapping[str, Benchmark], effort: Effort) -> Iterator[Measured]:
        """Each benchmark's figures, with a line about each as it comes, and how calm the machine was before."""
        for number, (name, benchmark) in enumerate(benchmarks.items(), 1):
            now = calm()
            passed = time.strftime("%M:%S", time.gmtime(time.monotonic() - self._began))
            self._screen.print(f"{passed} [bold]{name}[/] ({number} of {len(benchmarks)}; {now})")
            try:
                yield from ((figure, now) for figure in self._told(benchmark(effort)))
            except Exception as error:  # noqa: BLE001  # whatever it is, the others go on
                self.failures.append(f"{name} failed: {type(error).__name__}: {error}")
                self._screen.print(f"  {self.failures[-1]}", style="red", markup=False)

    def _told(self, told: Iterator[Figure | Note]) -> Iterator[Figure]:
        for item in told:
            if isinstance(item, Note):
                self._screen.print(f"  {item.text}", markup=False)
                continue
            line = f"  {item.name} {item.value:.3g} {item.unit} {item.baseline}"
            self._screen.print(line, style="dim", markup=False, soft_wrap=True)
            yield item


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stellarator bench", description="Measure, and compare with goals.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; none: all")
    parser.add_argument("--json", action="store_true", help="one flat object on standard output")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the tables into this page, too")
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="mixed load for so long; alone if no NAME"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures mean little")
    return parser


def _chosen(given: argparse.Namespace) -> Mapping[str, Benchmark]:
    names: Sequence[str] = given.names or (() if given.soak else tuple(BENCHMARKS))
    if unknown := set(names) - set(BENCHMARKS):
        there = ", ".join(BENCHMARKS)
        _parser().error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {there}")
    chosen = {name: BENCHMARKS[name] for name in names}
    return {**chosen, "soak": partial(soak.measure, given.soak)} if given.soak else chosen


if __name__ == "__main__":
    main()
