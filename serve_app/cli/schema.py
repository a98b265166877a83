"""`stellarator schema`: the workflow file's JSON Schema, for editors."""

from __future__ import annotations

import typer

from serve_app.cli.console import emit_json
from workflows.schema import json_schema

app = typer.Typer(add_completion=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a workflow file.

    Save it, and name it in a workflow's first line, to have an editor complete and check the file:

        # yaml-language-server: $schema=workflow.schema.json
    """
    emit_json(json_schema())
