"""`stellarator runs`: what happened, from the journal."""

from __future__ import annotations

from dataclasses import asdict
from time import time
from typing import Annotated

import typer

from actors.journal.store import RunQuery
from cluster.settings import Settings
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.history import history, read_run
from serve_app.cli.options import Json
from serve_app.cli.render.contribution import supported, told
from serve_app.cli.render.conversation import Contents, Conversation
from serve_app.cli.render.listing import Runs
from serve_app.cli.render.track import Track
from serve_app.trace_links import trace_url
from workflows.errors import UsageError
from workflows.replay import RunView, StepView, to_json

app = typer.Typer(add_completion=False, help="What happened, from the journal; no server is needed.")

Run = Annotated[str, typer.Argument(metavar="ID", help="The run's id, the beginning of it, or `last`.")]


@app.callback(invoke_without_command=True)
def runs(context: typer.Context) -> None:
    """List runs when no command is given."""
    if context.invoked_subcommand is None:
        list_runs()


@app.command("list")
def list_runs(
    *,
    model: Annotated[str | None, typer.Option("--model", help="Only runs of this virtual model.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    with history(Settings.from_env()) as store:
        found = store.runs(RunQuery(virtual_model=model, limit=limit))
    if as_json:
        emit_json([{**asdict(run), "seconds": run.seconds} for run in found])
    elif found:
        stdout().print(Runs(found))
    else:
        stderr().print("There are no runs yet. `stellarator demo` makes one.")


@app.command()
def show(
    run: Run,
    *,
    conversation: Annotated[
        bool, typer.Option("--conversation", "-c", help="What was said, in place of what was executed.")
    ] = False,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            "-s",
            help="All that this step was sent and answered, and what of it went into the answer.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one run: its Track, its Conversation, or one step's contents."""
    settings = Settings.from_env()
    view = read_run(settings, run)
    if step is not None:
        _show_step(view, find_step(view, step), as_json=as_json)
    elif as_json:
        emit_json({**to_json(view), "trace_url": trace_url(settings.jaeger_url, view.trace_id)})
    else:
        track = Track(view, time(), settings.jaeger_url)
        stdout().print(Conversation(view) if conversation else track)


def find_step(view: RunView, name: str) -> StepView:
    """A step by its id, or by its name when only one has it.

    Raises:
        UsageError: there is none, or there are several.
    """
    exact = [step for step in view.steps if step.step_id == name]
    found = exact or [step for step in view.steps if step.name == name]
    if len(found) == 1:
        return found[0]
    known = ", ".join(step.step_id for step in found or view.steps)
    problem = "Several steps are called" if found else "No step is called"
    raise UsageError(f"{problem} `{name}`. Name one of: {known}.")


def _show_step(view: RunView, step: StepView, *, as_json: bool) -> None:
    sentences = supported(view, step)
    if as_json:
        emit_json({**asdict(step), "evidence": [asdict(each) for each in sentences]})
    else:
        stdout().print(Contents(step), *told(step, sentences), sep="\n")
