"""`stellarator templates`: the workflows that ship with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax

from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.options import Json
from serve_app.cli.render.listing import described
from workflows import catalog
from workflows.errors import UsageError

app = typer.Typer(add_completion=False, help="The workflows that ship with it.")

Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=catalog.names)]


@app.callback(invoke_without_command=True)
def templates(context: typer.Context) -> None:
    """List templates when no command is given."""
    if context.invoked_subcommand is None:
        list_templates()


@app.command("list")
def list_templates(*, as_json: Json = False) -> None:
    """List templates."""
    found = [(name, catalog.template(name).description) for name in catalog.names()]
    if as_json:
        emit_json([{"name": name, "description": description} for name, description in found])
    else:
        stdout().print(described(found))


@app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Print a template's file."""
    text = catalog.template_text(name)
    console = stdout()
    if as_json:
        emit_json({"name": name, "text": text})
    elif console.is_terminal:
        console.print(Syntax(text, "yaml", background_color="default", word_wrap=True))
    else:
        typer.echo(text, nl=False)


@app.command()
def new(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to put it.")],
    *,
    as_json: Json = False,
) -> None:
    """Copy a template into a file of your own, to change it there."""
    text = catalog.template_text(name)
    try:
        with file.open("x", encoding="utf-8") as copy:
            copy.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} exists already; choose another name, or remove it first.") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error
    if as_json:
        emit_json({"template": name, "file": str(file)})
    else:
        stderr().print(
            f"{file} is yours to change. Check it with `stellarator lint {file}`, "
            f'try it with `stellarator preview {file} "..."`.',
            markup=False,
            soft_wrap=True,
        )
