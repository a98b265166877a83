"""`stellarator status`: whether `up` is running here, and how it is."""

from __future__ import annotations

from dataclasses import asdict
from time import time
from typing import Any

import httpx
import typer
from rich.table import Table
from rich.text import Text

from cluster.settings import Settings
from serve_app.cli.claim import Claim, holder_of
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.errors import FAILED
from serve_app.cli.options import Json
from serve_app.cli.render.words import NOTHING, seconds

app = typer.Typer(add_completion=False)

_PATIENCE = 5.0


@app.command()
def status(*, as_json: Json = False) -> None:
    """Say where the server of this state folder answers and how it is; exit with 1 when none is running."""
    home = Settings.from_env().home
    claim = holder_of(home)
    health = health_of(claim)
    if as_json:
        emit_json({"running": claim is not None, "health": health, **(asdict(claim) if claim else {})})
    elif claim is None:
        stderr().print(f"No server is running with the state folder {home}.", markup=False)
    else:
        stdout().print(_described(claim, health))
    if health != "ok":
        raise typer.Exit(FAILED)


def health_of(claim: Claim | None) -> str:
    """How the server is: ``ok``, ``starting``, ``down`` (nobody runs), or what is wrong with its answer."""
    if claim is None:
        return "down"
    if not claim.base_url:
        return "starting"
    address = f"{claim.base_url.removesuffix('/v1')}/healthz"
    try:
        answer = httpx.get(address, timeout=_PATIENCE, trust_env=False)
        told: Any = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return f"does not answer ({type(error).__name__})"
    return str(told.get("status")) if answer.is_success else f"answers with status {answer.status_code}"


def _described(claim: Claim, health: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in (
        ("base URL", claim.base_url or NOTHING),
        ("models", ", ".join(claim.models) or NOTHING),
        ("health", Text(health, style="ok" if health == "ok" else "degraded")),
        ("up for", seconds(time() - claim.started_at)),
        ("process", str(claim.pid)),
    ):
        table.add_row(Text(name, style="quiet"), value)
    return table
