"""`stellarator connect`: point an agent or an SDK at the server, or say how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cluster import session
from cluster.settings import Settings
from serve_app.auth import key_file, known_key
from serve_app.cli.clients.files import Outcome, write
from serve_app.cli.clients.recipe import Recipe, Target
from serve_app.cli.clients.table import CLIENTS, Client
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.options import Json
from serve_app.cli.render.connection import Key
from serve_app.cli.render.recipe import how_to_connect
from serve_app.cli.status import health_of
from serve_app.cli.workflows import TEMPLATE
from workflows.errors import SetupInvalid, UsageError

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Found:
    """The server as it was found: where, its virtual models, and what is not as it should be; empty when all is well."""

    root: str
    models: tuple[str, ...]
    concern: str = ""


@app.command()
def connect(
    client: Annotated[
        str | None,
        typer.Argument(
            metavar="[CLIENT]",
            help="One of: " + ", ".join(CLIENTS) + ". None lists them.",
            show_default=False,
        ),
    ] = None,
    *,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="The virtual model; the first one by default."),
    ] = None,
    write_file: Annotated[
        bool,
        typer.Option("--write", help="Put it into the client's configuration file; the rest of it stays."),
    ] = False,
    show_key: Annotated[
        bool, typer.Option("--show-key", help="The key itself in place of where it is kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say how a client is pointed at the server of this state folder, or set it up with `--write`."""
    if client is None:
        _list(as_json=as_json)
        return
    known = _client(client)
    settings = Settings.from_env()
    found = find(settings)
    target = Target(found.root, _key(settings, shown=show_key), _model(found, model), _models(found, model))
    recipe = known.recipe(target)
    if write_file and recipe.file is None:
        raise UsageError(
            f"{known.title} has no configuration file to write; do what is shown without --write."
        )
    outcome = write(recipe.file) if write_file and recipe.file else None
    if as_json:
        emit_json(_json(client, known, target, recipe, outcome) | {"concern": found.concern})
        return
    _tell(known, target, found, recipe, outcome)


def find(settings: Settings) -> Found:
    """The server of this state folder, running or as it would start."""
    running = session.running(settings)
    if running is None:
        root = session.address_here(settings.host, settings.port)
        return Found(
            root, (), "Nothing is running with this state folder; this is for `stellarator up` as set here."
        )
    health = health_of(running.base_url, known_key(settings))
    concern = "" if health.word == "ok" else f"The server {health.word}."
    return Found(running.base_url, health.models, concern)


def _client(name: str) -> Client:
    if name not in CLIENTS:
        raise UsageError(f"`{name}` is no client that is known here. Known are {', '.join(CLIENTS)}.")
    return CLIENTS[name]


def _key(settings: Settings, *, shown: bool) -> Key:
    key = known_key(settings)
    if shown and not key:
        raise SetupInvalid("There is no key yet: the first `stellarator up` makes it.")
    return Key(None if settings.api_key else key_file(settings), shown=key if shown else "")


def _model(found: Found, asked: str | None) -> str:
    if asked and found.models and asked not in found.models:
        raise UsageError(f"The server has no virtual model `{asked}`. It has {', '.join(found.models)}.")
    return asked or next(iter(found.models), TEMPLATE)


def _models(found: Found, asked: str | None) -> tuple[str, ...]:
    return found.models or (asked or TEMPLATE,)


def _list(*, as_json: bool) -> None:
    if as_json:
        emit_json([{"client": name, "title": each.title, "api": each.api} for name, each in CLIENTS.items()])
        return
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, each in CLIENTS.items():
        table.add_row(Text(name, style="name"), each.title, Text(each.api, style="quiet"))
    stdout().print(table)
    stderr().print("\nstellarator connect CLIENT says how; --write sets it up.", style="quiet")


def _tell(known: Client, target: Target, found: Found, recipe: Recipe, outcome: Outcome | None) -> None:
    errors = stderr()
    if found.concern:
        errors.print(Text(found.concern, style="degraded"))
    errors.print(Text(f"{known.title} → {target.model} at {target.base_url}\n"), soft_wrap=True)
    if outcome and recipe.file:
        errors.print(Text(_became(str(recipe.file.path), outcome) + "\n"), soft_wrap=True)
    stdout().print(how_to_connect(recipe, written=outcome is not None), soft_wrap=True)


def _became(path: str, outcome: Outcome) -> str:
    if not outcome.changed:
        return f"{path} had it already."
    return f"✓ {path}" + (f", as it was before in {outcome.backup}" if outcome.backup else "")


def _json(
    name: str, known: Client, target: Target, recipe: Recipe, outcome: Outcome | None
) -> dict[str, Any]:
    file = recipe.file
    return {
        "client": name,
        "title": known.title,
        "api": known.api,
        "base_url": target.base_url,
        "model": target.model,
        "models": list(target.models),
        "file": file
        and {
            "path": str(file.path),
            "format": file.format,
            "text": file.text,
            "written": outcome is not None,
            "backup": str(outcome.backup) if outcome and outcome.backup else None,
        },
        "environment": dict(recipe.environment),
        "setup": list(recipe.setup),
        "start": list(recipe.start),
        "ask": list(recipe.ask),
        "code": recipe.code.text if recipe.code else None,
        "notes": list(recipe.notes),
    }
