"""`stellarator preview`: one workflow file, one question."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.settings import Settings
from serve_app.cli.ask import ask_once
from serve_app.cli.console import stderr
from serve_app.cli.options import Json
from serve_app.cli.workflows import ProviderOption, chosen, tell_about

app = typer.Typer(add_completion=False)


@app.command()
def preview(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A workflow file, or a template's name.")],
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    *,
    provider: ProviderOption = None,
    as_json: Json = False,
) -> None:
    """Run a workflow once, on a server of its own that is gone afterwards; the run stays in the journal."""
    specs = chosen([file], provider)
    tell_about(specs, provider, stderr())
    ask_once(specs[0], prompt, Settings.from_env(), as_json=as_json)
