"""`stellarator down`: stop what `up` started."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.settings import Settings
from serve_app.cli.claim import holder_of, stop
from serve_app.cli.console import stderr

app = typer.Typer(add_completion=False)


@app.command()
def down(
    *,
    patience: Annotated[
        float, typer.Option("--timeout", min=0.0, metavar="SECONDS", help="How long to wait for its end.")
    ] = 60.0,
) -> None:
    """Stop the server of this state folder, and wait until it is gone."""
    home = Settings.from_env().home
    claim = holder_of(home)
    if claim is None:
        stderr().print(f"No server is running with the state folder {home}.", markup=False)
        return
    with stderr().status("Stopping …"):
        stop(home, claim, patience)
    stderr().print("[ok]✓[/] Stopped.")
