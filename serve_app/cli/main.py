"""The `stellarator` command: its table of commands and its options that stand before any of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer
from typer.main import get_command

from serve_app.cli.errors import exit_code
from serve_app.cli.lazy import Entry, lazy_group

_RUN, _WRITE, _LOOK = "Run", "Write a workflow", "Look at what happened"
_PUBLISH = "Publish, while the server runs"
_CHANGE, _READ = "serve_app.cli.publish", "serve_app.cli.publications"

COMMANDS = {
    "demo": Entry("serve_app.cli.demo", "Watch a panel of models answer, with no key and no set-up.", _RUN),
    "up": Entry("serve_app.cli.up", "Publish workflows as models behind one HTTP endpoint.", _RUN),
    "status": Entry("serve_app.cli.status", "Say whether `up` is running here, and how it is.", _RUN),
    "down": Entry("serve_app.cli.down", "Stop what `up` started.", _RUN),
    "doctor": Entry("serve_app.cli.doctor", "Look for what is wrong here, and say how to mend it.", _RUN),
    "connect": Entry(
        "serve_app.cli.connect", "Say how an agent or an SDK is pointed at it, or set it up.", _RUN
    ),
    "templates": Entry(
        "serve_app.cli.templates", "List, show or copy the workflows that ship with it.", _WRITE
    ),
    "lint": Entry("serve_app.cli.lint", "Check workflow files.", _WRITE),
    "preview": Entry("serve_app.cli.preview", "Run a workflow file once, on one prompt.", _WRITE),
    "schema": Entry("serve_app.cli.schema", "Print the workflow file's JSON Schema, for editors.", _WRITE),
    "publish": Entry(_CHANGE, "Have a workflow answer, as a new version.", _PUBLISH, "publishing"),
    "rollback": Entry(_CHANGE, "Have an earlier version answer again.", _PUBLISH, "rolling_back"),
    "unpublish": Entry(_CHANGE, "Have a virtual model answer no more.", _PUBLISH, "unpublishing"),
    "publications": Entry(_READ, "List what is published.", _PUBLISH, "listing"),
    "history": Entry(_READ, "List a virtual model's versions.", _PUBLISH, "past"),
    "diff": Entry(_READ, "Show what differs between two versions.", _PUBLISH, "comparing"),
    "export": Entry(_READ, "Print a version's workflow file.", _PUBLISH, "exporting"),
    "runs": Entry("serve_app.cli.runs", "List runs, or show one: what was executed, what was said.", _LOOK),
    "journal": Entry(
        "serve_app.cli.journal", "Keep the journal small, or take runs out of it as JSON lines.", _LOOK
    ),
    "bench": Entry("serve_app.cli.bench", "Measure it here, against lower bounds, peers and goals.", _LOOK),
}

app = typer.Typer(
    name="stellarator",
    cls=lazy_group(COMMANDS),
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stellarator {version('stellarator')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Add the traceback to an error message.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Publish a panel of models as one model.

    Exit codes: 0 well, 1 a run or a check failed, 2 the command was not used right.
    """


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; return its exit code. Errors have been told on stderr.

    ``--debug`` is allowed anywhere: who sees an error adds it at the end of the line. Nothing at all asks for help.
    """
    debug = "--debug" in arguments
    rest = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    return exit_code(lambda: get_command(app).main(rest, "stellarator", standalone_mode=False), debug=debug)


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a screen without these characters shows question marks
    sys.exit(run(sys.argv[1:]))
