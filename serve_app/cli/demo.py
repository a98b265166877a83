"""`stellarator demo`: a panel of models answers, with no key and no set-up."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.settings import Settings
from serve_app.cli.ask import ask_once
from serve_app.cli.console import stderr
from serve_app.cli.options import Json
from serve_app.cli.workflows import ProviderOption, chosen, tell_about

app = typer.Typer(add_completion=False)

PROMPT = (
    "Review this plan for the next development cycle: connect Playwright and quality gates to CI/CD, "
    "then give risks, benefits, and a two-week execution plan."
)


@app.command()
def demo(
    prompt: Annotated[str, typer.Argument(help="What to ask.")] = PROMPT,
    *,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", "-w", metavar="NAME|FILE", help="A template or a file of your own."),
    ] = None,
    provider: ProviderOption = None,
    as_json: Json = False,
) -> None:
    """Start what is needed, ask a panel one question over HTTP, show what it does, stop everything again."""
    specs = chosen([workflow] if workflow else [], provider)
    tell_about(specs, provider, stderr())
    ask_once(specs[0], prompt, Settings.from_env(), as_json=as_json)
