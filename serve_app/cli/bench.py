"""`stellarator bench`: the benchmarks of the checkout that this is installed from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cluster.guard import ROOT

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="startup, fusion, passthrough, in-flight, nodes, hosts, tail, journal, tracing; none: all.",
            show_default=False,
        ),
    ] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke test: the figures mean little.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One flat JSON object on stdout.")] = False,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Put the tables into this page, too."),
    ] = None,
    soak: Annotated[
        float | None,
        typer.Option("--soak", metavar="MINUTES", help="Mixed load for so long: does memory stay flat?"),
    ] = None,
) -> None:
    """Measure speed, cost and memory against lower bounds, peers and goals."""
    if not (ROOT / "tests" / "bench" / "__main__.py").is_file():
        raise typer.BadParameter("The benchmarks are not installed; run this in a checkout of Stellarator.")
    wishes = [*(names or ()), *(["--quick"] if quick else ()), *(["--json"] if as_json else ())]
    if markdown is not None:
        wishes += ["--markdown", str(markdown.absolute())]
    if soak is not None:
        wishes += ["--soak", str(soak)]
    command = [sys.executable, "-m", "tests.bench", *wishes]
    os.chdir(ROOT)
    os.execv(sys.executable, command)  # noqa: S606  # our own module, in place of this process: signals reach it
