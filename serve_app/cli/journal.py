"""`stellarator journal`: what the journal keeps, and what is taken out of it. Works beside a running server."""

from __future__ import annotations

from dataclasses import asdict
from time import time
from typing import Annotated

import typer

from actors.journal.exporting import exported, exported_run
from actors.journal.limits import Plan, Retention, parse_age, parse_size
from actors.journal.sql import open_store
from cluster.settings import Settings
from serve_app.cli.console import emit_json, stdout
from serve_app.cli.history import history
from serve_app.cli.options import Json
from workflows.errors import RunNotFound, UsageError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Keep the journal small, or take runs out of it."
)


@app.command()
def prune(
    *,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Remove runs older than this: 36h, 30d, 2w."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="Keep the newest runs that fit: 500MB, 2GB."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove old runs and what only they refer to; runs that are under way stay."""
    if older_than is None and max_size is None:
        raise UsageError("Say what to remove: --older-than 30d, --max-size 2GB, or both.")
    wanted = Retention(
        older_than=parse_age(older_than) if older_than else None,
        max_size=parse_size(max_size) if max_size else None,
    )
    plan = _pruned(Settings.from_env(), wanted, dry_run=dry_run)
    if as_json:
        shown = {name: value for name, value in asdict(plan).items() if name not in {"garbage", "read_to"}}
        emit_json({**shown, "dry_run": dry_run})
        return
    verb = "Would remove" if dry_run else "Removed"
    stdout().print(
        f"{verb} {len(plan.runs)} runs ({_bytes(plan.freed)}); {plan.kept} stay ({_bytes(plan.size)})."
    )


@app.command()
def export(
    *,
    run: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only this run.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="AGE", help="Only runs not older than this: 36h, 30d, 2w."),
    ] = None,
) -> None:
    """Print runs as lines of JSON with all their events: `stellarator journal export > runs.jsonl`."""
    with history(Settings.from_env()) as store:
        if run is None:
            for line in exported(store, time() - parse_age(since) if since else None):
                typer.echo(line)
            return
        summary = store.summary(run)
        if summary is None:
            raise RunNotFound(run)
        typer.echo(exported_run(store, summary))


@app.command()
def stats(*, as_json: Json = False) -> None:
    """Say how much the journal holds."""
    with history(Settings.from_env()) as store:
        plan = store.retention.plan(Retention(), time())
    if as_json:
        emit_json({"runs": plan.kept, "bytes": plan.size})
        return
    stdout().print(f"{plan.kept} runs, {_bytes(plan.size)}.")


def _pruned(settings: Settings, wanted: Retention, *, dry_run: bool) -> Plan:
    store = open_store(settings.database_url, read_only=dry_run)
    try:
        plan = store.retention.plan(wanted, time())
        if not dry_run:
            for steps in (store.retention.remove_runs(plan), store.retention.remove_contents(plan)):
                for _ in steps:
                    pass
    finally:
        store.close()
    return plan


def _bytes(number: int) -> str:
    """A size as people say it."""
    size = float(number)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004  # SI
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
