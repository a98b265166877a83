"""`stellarator down`: stop what `up` started."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster import session
from cluster.settings import Settings
from serve_app.cli.console import stderr

app = typer.Typer(add_completion=False)


@app.command()
def down(
    *,
    patience: Annotated[
        float,
        typer.Option("--timeout", min=0.0, metavar="SECONDS", help="How long to wait before it is killed."),
    ] = session.STOP_TIMEOUT_S,
) -> None:
    """Stop the server that runs with this state folder (STELLARATOR_HOME), and wait until it is gone.

    A server that joined a cluster with `--address` is stopped where it was started.
    """
    settings = Settings.from_env()
    with stderr().status("Stopping …"):
        was_running = session.stop(settings, patience)
    if was_running:
        stderr().print("[ok]✓[/] Stopped.")
    else:
        stderr().print(f"Nothing is running with the state folder {settings.home}.", markup=False)
