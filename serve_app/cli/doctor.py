"""`stellarator doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from cluster import machine
from cluster.errors import SetupError
from cluster.findings import Finding, carried_out
from cluster.settings import Settings
from serve_app.cli.checkup import checks
from serve_app.cli.console import emit_json, stdout
from serve_app.cli.errors import FAILED
from serve_app.cli.options import Json
from serve_app.cli.render.checkup import Findings
from serve_app.cli.workflows import workflow

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    workflows: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORKFLOW...", help="Look at the models of these, too.", show_default=False),
    ] = None,
    *,
    probe: Annotated[
        bool, typer.Option("--probe", help="Call each model once, for a few tokens; that costs money.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at the machine, the server, the journal and the models; exit with 1 when something has to be mended.

    Changes nothing, and works when nothing runs.
    """
    found = tuple(_findings(workflows or (), probe=probe))
    if as_json:
        emit_json([asdict(each) for each in found])
    else:
        stdout().print(Findings(found))
    if any(each.state == "fail" for each in found):
        raise typer.Exit(FAILED)


def _findings(sources: Sequence[str], *, probe: bool) -> Iterator[Finding]:
    specs = [workflow(source) for source in sources]
    try:
        settings = Settings.from_env()
    except SetupError as error:
        yield Finding("Settings", "fail", str(error), "The other checks need it.")
        yield from carried_out((("Machine", machine.versions), ("Memory", machine.memory)))
        return
    yield from carried_out(checks(settings, specs, probe=probe))
