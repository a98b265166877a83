"""Run benchmarks and show their figures: what `stellarator bench` starts.

python -m tests.bench                     # all of them
python -m tests.bench fusion in-flight --json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from rich.console import Console

from tests.bench import fusion_overhead, heavy_tail, in_flight, passthrough, startup, tracing
from tests.bench.effort import FULL, QUICK, Effort
from tests.bench.figures import Figure, flat, table

BENCHMARKS: Mapping[str, Callable[[Effort], Iterator[Figure]]] = MappingProxyType(
    {
        "startup": startup.measure,
        "fusion": fusion_overhead.measure,
        "passthrough": passthrough.measure,
        "in-flight": in_flight.measure,
        "tail": heavy_tail.measure,
        "tracing": tracing.measure,
    }
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="stellarator bench", description="Measure, and compare with goals.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; none: all")
    parser.add_argument("--json", action="store_true", help="one flat object on standard output")
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures mean little")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(
            f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    screen = Console(stderr=True)
    figures = list(_figures(given.names or list(BENCHMARKS), QUICK if given.quick else FULL, screen))
    if given.json:
        json.dump(flat(figures), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        Console().print(table(figures))


def _figures(names: list[str], effort: Effort, screen: Console) -> Iterator[Figure]:
    """Each benchmark's figures, with a line about each as it comes, and the machine's own load before."""
    for name in names:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
        screen.print(f"[bold]{name}[/] (load {load:.1f} on {cores} cores)")
        for figure in BENCHMARKS[name](effort):
            screen.print(f"  {figure.name} {figure.value:.3g} {figure.unit} {figure.baseline}", style="dim")
            yield figure


if __name__ == "__main__":
    main()
