"""`stellarator publications`, `history`, `diff` and `export`: what is published, and what it was before.

The server is asked when one runs, because only it knows what is draining; else the journal is read. Both tell the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import typer

from actors.journal.publications import SqlPublications
from cluster.settings import Settings
from serve_app.cli.api import ServerOption, call, server_here
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.history import history as journal
from serve_app.cli.options import Json
from serve_app.cli.render.publications import Differences, Names, Versions
from workflows.diffing import diff as difference
from workflows.errors import PublicationNotFound, UsageError
from workflows.loading import parse
from workflows.publications import History, history_json, version_json

listing = typer.Typer(add_completion=False)
past = typer.Typer(add_completion=False)
comparing = typer.Typer(add_completion=False)
exporting = typer.Typer(add_completion=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model name that clients call.")]


@listing.command()
def publications(*, server: ServerOption = None, as_json: Json = False) -> None:
    """List every name under which something was published, and which version of it answers."""
    told = _told(server, "", lambda store: {"publications": [history_json(h) for h in store.histories()]})
    if as_json:
        emit_json(told["publications"])
    elif told["publications"]:
        stdout().print(Names(told["publications"]))
    else:
        stderr().print(
            "Nothing is published yet. `stellarator up FILE` or `stellarator publish FILE` does it."
        )


@past.command()
def history(name: Name, *, server: ServerOption = None, as_json: Json = False) -> None:
    """List a virtual model's versions, newest first: their state, who published them, and when."""
    told = _told(server, f"/{quote(name, safe='')}", lambda store: history_json(_known(store, name)))
    if as_json:
        emit_json(told)
    else:
        stdout().print(Versions(told))


@comparing.command()
def diff(
    name: Name,
    before: Annotated[
        int | None, typer.Argument(metavar="[A]", min=1, show_default="the version before the newest")
    ] = None,
    after: Annotated[
        int | None, typer.Argument(metavar="[B]", min=1, show_default="the newest version")
    ] = None,
    *,
    server: ServerOption = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions of a virtual model, key by key."""
    told = _told(server, f"/{quote(name, safe='')}", lambda store: history_json(_known(store, name)))
    old, new = compared([version["number"] for version in told["versions"]], before, after)
    specs = [parse(_workflow(server, name, number)) for number in (old, new)]
    changes = difference(*specs)
    if as_json:
        emit_json({"before": old, "after": new, "changes": [_plain(change) for change in changes]})
    elif changes:
        stdout().print(Differences(name, old, new, changes))
    else:
        stderr().print(f"Versions {old} and {new} of {name} say the same.", markup=False)


@exporting.command()
def export(
    name: Name,
    *,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="NUMBER", show_default="the active one")
    ] = None,
    server: ServerOption = None,
) -> None:
    """Print a version's workflow file. It names environment variables and holds no keys; `publish` takes it."""
    if version is None:
        told = _told(server, f"/{quote(name, safe='')}", lambda store: history_json(_known(store, name)))
        version = told["active"]
    if version is None:
        raise UsageError(f"No version of `{name}` is active; choose one with `--version`.")
    typer.echo(_workflow(server, name, version), nl=False)


def compared(numbers: list[int], before: int | None, after: int | None) -> tuple[int, int]:
    """Which two versions are meant. `numbers` are those that there are, newest first.

    Raises:
        UsageError: there is no earlier one.
    """
    new = numbers[0] if after is None else after
    old = next((number for number in numbers if number < new), None) if before is None else before
    if old is None:
        raise UsageError("There is no earlier version to compare it with.")
    return old, new


def _told(server: str | None, path: str, offline: Callable[[SqlPublications], Any]) -> Any:
    settings = Settings.from_env()
    address = server_here(settings, server)
    if address is not None:
        return call(settings, address, "GET", f"/api/publications{path}")
    with journal(settings) as store:
        return offline(store.publications)


def _workflow(server: str | None, name: str, number: int) -> str:
    def offline(store: SqlPublications) -> dict[str, Any]:
        found = _known(store, name)
        return {**version_json(found, number), "workflow": found.version(number).workflow}

    told = _told(server, f"/{quote(name, safe='')}/versions/{number}", offline)
    return str(told["workflow"])


def _known(store: SqlPublications, name: str) -> History:
    found = store.history(name)
    if not found.publications:
        raise PublicationNotFound(name)
    return found


def _plain(change: Any) -> dict[str, Any]:
    return {"where": change.where, "kind": change.kind, "before": change.before, "after": change.after}
