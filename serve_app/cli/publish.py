"""`stellarator publish`, `rollback` and `unpublish`: which version of a workflow answers on the running server."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from cluster.settings import Settings, user
from serve_app.cli.api import ServerOption, call, require_server
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.options import Json
from serve_app.cli.render.publications import Probes
from serve_app.cli.workflows import ProviderOption, chosen, renamed
from workflows.loading import dump

publishing = typer.Typer(add_completion=False)
rolling_back = typer.Typer(add_completion=False)
unpublishing = typer.Typer(add_completion=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model name that clients call.")]


@publishing.command()
def publish(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A workflow file, or a template's name.")],
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="Publish it under this name, not under the file's.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What is new, for the history.")] = "",
    no_probe: Annotated[
        bool,
        typer.Option("--no-probe", help="Do not ask its models first whether they do what they have to."),
    ] = False,
    provider: ProviderOption = None,
    server: ServerOption = None,
    as_json: Json = False,
) -> None:
    """Publish a workflow on the running server: from then on its name answers with it.

    The file is checked and its models are asked for a word, a tool call or JSON, as the workflow needs them. Then it
    becomes a new version, and clients get it without noticing; runs under way end on the version that they began with.
    """
    settings = Settings.from_env()
    address = require_server(settings, server)
    (spec,) = chosen([file], provider)
    spec = renamed(spec, name) if name else spec
    body = {"workflow": dump(spec), "probe": not no_probe, "note": note, "who": user()}
    with stderr().status(f"Publishing {spec.name} …"):
        told = call(settings, address, "POST", "/api/publications", body)
    if as_json:
        emit_json(told)
        return
    if told["probes"]:
        stderr().print(Probes(told["probes"]))
    for warning in told["warnings"]:
        stderr().print(f"warning: {warning['where']}: {warning['message']}", markup=False, soft_wrap=True)
    stdout().print(_sentence(told, "is published and answers as"), markup=False, soft_wrap=True)


@rolling_back.command()
def rollback(
    name: Name,
    *,
    to: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="NUMBER", show_default="the one that was active before"),
    ] = None,
    server: ServerOption = None,
    as_json: Json = False,
) -> None:
    """Have an earlier version of a virtual model answer again."""
    settings = Settings.from_env()
    path = f"/api/publications/{quote(name, safe='')}/rollback"
    told = call(settings, require_server(settings, server), "POST", path, {"to": to, "who": user()})
    if as_json:
        emit_json(told)
    else:
        stdout().print(_sentence(told, "answers again as"), markup=False, soft_wrap=True)


@unpublishing.command()
def unpublish(name: Name, *, server: ServerOption = None, as_json: Json = False) -> None:
    """Have a virtual model answer no more; its versions stay, and `rollback` brings the last one back."""
    settings = Settings.from_env()
    path = f"/api/publications/{quote(name, safe='')}?who={quote(user(), safe='')}"
    told = call(settings, require_server(settings, server), "DELETE", path)
    if as_json:
        emit_json(told)
    else:
        stdout().print(f"{name} answers no more. Runs under way end well.", markup=False, soft_wrap=True)


def _sentence(told: dict[str, Any], verb: str) -> str:
    name, number, short = told["virtual_model"], told["number"], told["hash"][:8]
    if not told["changed"]:
        return f"{name} is version {number} ({short}) already; nothing was changed."
    return f"Version {number} ({short}) {verb} {name}."
