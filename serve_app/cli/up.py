"""`stellarator up`: publish workflows as models behind one HTTP endpoint, until told to stop."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import Annotated

import typer

from cluster import logs
from cluster.settings import LogSettings, Settings
from serve_app.auth import key_file
from serve_app.cli.console import stderr
from serve_app.cli.history import active
from serve_app.cli.keys import require_keys
from serve_app.cli.render.connection import Key, how_to_call
from serve_app.cli.room import require_room
from serve_app.cli.server import serving
from serve_app.cli.stage import Stages
from serve_app.cli.weights import fetch_weights
from serve_app.cli.workflows import ProviderOption, chosen, tell_about
from workflows.spec import WorkflowSpec

app = typer.Typer(add_completion=False)


@app.command()
def up(
    workflows: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORKFLOW...",
            help="Templates or files to publish and serve; none: everything that is published, or else the demo.",
            show_default=False,
        ),
    ] = None,
    *,
    host: Annotated[
        str | None, typer.Option("--host", show_default="127.0.0.1", help="The address to listen on.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, show_default="8000", help="The port to listen on."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            help="Join this Ray cluster (or `auto`). Stop it with Ctrl-C or SIGTERM: `status` and `down` know only "
            "servers that started their own.",
        ),
    ] = None,
    provider: ProviderOption = None,
) -> None:
    """Publish workflows as models, and block until Ctrl-C, SIGTERM or `stellarator down`."""
    found = Settings.from_env()
    settings = replace(
        found, host=host or found.host, port=port or found.port, ray_address=address or found.ray_address
    )
    _up(workflows or [], provider, settings)


def _up(workflows: list[str], provider: str | None, settings: Settings) -> None:
    named = bool(workflows) or provider is not None
    kept = () if named else active(settings)
    specs = kept or chosen(workflows, provider)
    require_keys(specs, settings)
    require_room(settings)
    tell_about(specs, provider, stderr())
    fetch_weights(specs, settings, stderr())
    # The demo that runs when nothing is published is not published by that.
    _serve(() if kept else specs, settings, recorded=named or bool(kept), everything=bool(kept))


def _serve(specs: tuple[WorkflowSpec, ...], settings: Settings, *, recorded: bool, everything: bool) -> None:
    logs.setup("up", LogSettings(settings.log_level, settings.log_format))
    stages = Stages(stderr())
    serving_now = serving(settings, specs, recorded=recorded, everything=everything, on_stage=stages)
    with stages.shown(), serving_now as running:
        stages.done()
        new_key = running.api_key if running.api_key_is_new else ""
        key = Key(None) if settings.api_key else Key(key_file(settings), new_key)
        typer.echo(f"\n{how_to_call(running.base_url, key, running.models)}")
        stderr().print(
            "`stellarator connect` points an agent or an SDK at it. Ctrl-C stops it.", style="quiet"
        )
        # To be told to stop is how it ends well.
        with suppress(KeyboardInterrupt, SystemExit):
            Event().wait()
