"""Run one workflow once: start what it needs, ask it, show what happened, stop what was started."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import time

from rich.console import Console
from rich.text import Text

from cluster.settings import Settings
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.history import read_run
from serve_app.cli.ports import free_port
from serve_app.cli.render.track import Track
from serve_app.cli.server import serving
from serve_app.cli.stage import Stages
from serve_app.cli.watch import Watched, watch
from serve_app.cli.weights import fetch_weights
from workflows.errors import RunError
from workflows.replay import RunView, to_json
from workflows.spec import WorkflowSpec


def ask_once(spec: WorkflowSpec, prompt: str, settings: Settings, *, as_json: bool) -> None:
    """Ask `spec` the `prompt` and print the answer and what happened, or all of it as one JSON object.

    Raises:
        RunError: there is no answer. What happened has been printed all the same.
    """
    watched = _watched(spec, prompt, settings, stderr() if as_json else stdout())
    if not watched.run_id:
        raise watched.error or RunError("The server did not name the run.")
    view = read_run(settings, watched.run_id)
    if as_json:
        emit_json(to_json(view))
    else:
        _tell(view)
    if watched.error is not None:
        raise watched.error


def _watched(spec: WorkflowSpec, prompt: str, settings: Settings, answers: Console) -> Watched:
    """Serve the workflow on a port of its own for as long as the answer takes."""
    here = replace(settings, host="127.0.0.1", port=free_port("127.0.0.1"))
    progress = stderr()
    fetch_weights([spec], here, progress)
    stages = Stages(progress)
    with stages.shown(), serving(here, [spec], on_stage=stages) as running:
        stages.done()
        progress.print(Text.assemble("\n", ("> ", "quiet"), prompt, "\n"))
        return asyncio.run(
            watch(running.base_url, running.api_key, spec, prompt, answers=answers, progress=progress)
        )


def _tell(view: RunView) -> None:
    """The run's Track, and how to look further."""
    console = stdout()
    console.line()
    console.print(Track(view, time()))
    console.line()
    console.print(
        Text.assemble(("Look further  ", "quiet"), f"stellarator runs show {view.run_id}"), soft_wrap=True
    )
    console.print("              stellarator runs show last --conversation", soft_wrap=True)
