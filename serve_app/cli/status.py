"""`stellarator status`: whether `up` is running here, and how it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import time
from typing import Any

import httpx
import typer
from rich.table import Table
from rich.text import Text

from cluster import session
from cluster.settings import Settings
from serve_app.auth import known_key
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.errors import FAILED
from serve_app.cli.options import Json
from serve_app.cli.render.words import NOTHING, seconds

app = typer.Typer(add_completion=False)

OTHER_KEY = "answers, but not to this key"

_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """How a server is: ``ok``, or what is wrong; and the names of its virtual models, once it tells."""

    word: str
    models: tuple[str, ...] = ()


@app.command()
def status(*, as_json: Json = False) -> None:
    """Say where the server of this state folder answers and how it is; exit with 1 unless all is well.

    A server that joined a cluster with `up --address` is not seen.
    """
    settings = Settings.from_env()
    running = session.running(settings)
    health = health_of(running.base_url, known_key(settings)) if running else Health("down")
    if as_json:
        emit_json(_json(running, health))
    elif running is None:
        stderr().print(f"Nothing is running with the state folder {settings.home}.", markup=False)
    else:
        stdout().print(_described(running, health))
    if health.word != "ok":
        raise typer.Exit(FAILED)


def health_of(base_url: str, key: str) -> Health:
    """Ask the server."""
    try:
        with httpx.Client(
            base_url=base_url,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=_PATIENCE,
            trust_env=False,
        ) as client:
            health = client.get("/healthz").raise_for_status().json()
            models = client.get("/v1/models").raise_for_status().json()
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.UNAUTHORIZED:
            return Health(OTHER_KEY)
        return Health(f"answers with status {error.response.status_code}")
    except (httpx.HTTPError, ValueError) as error:
        return Health(f"does not answer ({type(error).__name__})")
    return Health(health["status"], tuple(model["id"] for model in models["data"]))


def _json(running: session.Running | None, health: Health) -> dict[str, Any]:
    if running is None:
        return {"running": False, "health": health.word}
    return {
        "running": True,
        "health": health.word,
        "base_url": f"{running.base_url}/v1",
        "models": list(health.models),
        "pid": running.pid,
        "started_at": running.started_at,
        "ray_address": running.address,
    }


def _described(running: session.Running, health: Health) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in _facts(running, health):
        table.add_row(Text(name, style="quiet"), value)
    return table


def _facts(running: session.Running, health: Health) -> Iterator[tuple[str, str | Text]]:
    yield "base URL", f"{running.base_url}/v1"
    yield "models", ", ".join(health.models) or NOTHING
    yield "health", Text(health.word, style="ok" if health.word == "ok" else "failed")
    yield "up for", seconds(time() - running.started_at)
    yield "process", str(running.pid)
