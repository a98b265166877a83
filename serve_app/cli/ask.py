"""Run one workflow once: start what it needs, ask it, show what happened, stop what was started."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from time import time

from rich.text import Text

from cluster.settings import Settings
from serve_app.cli.console import emit_json, stderr, stdout
from serve_app.cli.history import read_run
from serve_app.cli.keys import require_keys
from serve_app.cli.render.track import Track
from serve_app.cli.room import free_port, require_room
from serve_app.cli.server import serving
from serve_app.cli.stage import Stages
from serve_app.cli.watch import Watched, watch
from serve_app.cli.weights import fetch_weights
from workflows.replay import RunView, to_json
from workflows.spec import WorkflowSpec

_LOOPBACK = "127.0.0.1"


def ask_once(spec: WorkflowSpec, prompt: str, settings: Settings, *, as_json: bool) -> None:
    """Serve `spec` on a free port, ask it, print the answer and what happened, or all of it as one JSON object.

    Raises:
        RunError: there is no answer. What happened has been printed all the same.
    """
    # A key for these seconds only: the lasting one is made and shown by `up`.
    here = replace(settings, host=_LOOPBACK, port=free_port(_LOOPBACK), api_key=secrets.token_urlsafe())
    require_keys([spec], here)
    require_room(here)
    progress = stderr()
    answers = progress if as_json else stdout()
    fetch_weights([spec], here, progress)
    stages = Stages(progress)
    with stages.shown(), serving(here, [spec], on_stage=stages) as running:
        stages.done()
        progress.print(Text.assemble("\n", ("> ", "quiet"), prompt, "\n"))
        watched = asyncio.run(
            watch(running.base_url, running.api_key, spec, prompt, answers=answers, progress=progress)
        )
        _tell(watched, settings, as_json=as_json)


def _tell(watched: Watched, settings: Settings, *, as_json: bool) -> None:
    """Print what the journal has of the run; raise its error."""
    if watched.run_id:
        view = read_run(settings, watched.run_id)
        if as_json:
            emit_json(to_json(view))
        else:
            _show(view)
    if watched.error is not None:
        raise watched.error


def _show(view: RunView) -> None:
    """The run's Track, and how to look further."""
    further = Text("Look further: stellarator runs show last --conversation")
    stdout().print("", Track(view, time()), "", further, "", sep="\n")
