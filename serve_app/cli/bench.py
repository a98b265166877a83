"""`stellarator bench`: the benchmarks of the checkout that this is installed from."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from cluster.guard import ROOT

app = typer.Typer(add_completion=False)


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def bench(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...] [--quick] [--json]", show_default=False)
    ] = None,
) -> None:
    """Measure speed, cost and memory against lower bounds, peers and goals; `--help` lists the benchmarks."""
    if not (ROOT / "tests" / "bench" / "__main__.py").is_file():
        raise typer.BadParameter("The benchmarks are not installed; run this in a checkout of Stellarator.")
    command = [sys.executable, "-m", "tests.bench", *(arguments or ())]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)  # noqa: S603  # our own module
