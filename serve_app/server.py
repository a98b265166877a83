"""A running Stellarator: Ray, the parts, Serve and the HTTP server, started in order and stopped without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ray import serve

from actors.runs import parts
from cluster import session
from cluster.guard import check_packages
from cluster.settings import Settings
from serve_app.app import application
from serve_app.auth import ensure_key, key_file
from workflows.spec import WorkflowSpec

APPLICATION = "stellarator"


@dataclass(frozen=True, slots=True)
class Running:
    """Where it answers. `base_url` ends in ``/v1``, as OpenAI's SDKs want it."""

    base_url: str
    api_key: str
    api_key_is_new: bool
    models: tuple[str, ...]


@contextmanager
def serving(
    settings: Settings, workflows: Sequence[WorkflowSpec], *, on_stage: Callable[[str], None]
) -> Iterator[Running]:
    """Start everything, yield where it answers, stop everything that was started.

    Raises:
        SetupError: Ray cannot be started, or the port is taken.

    """
    check_packages()
    key, is_new = ensure_key(key_file(settings), settings.api_key)
    on_stage("Starting Ray")
    with session.connect(settings) as live:
        on_stage("Starting the journal, the coordinator and the lanes")
        asyncio.run(parts.ready())
        on_stage("Starting Ray Serve")
        serve.start(http_options={"host": settings.host, "port": settings.port})
        on_stage(f"Publishing {', '.join(spec.name for spec in workflows)}")
        try:
            serve.run(application(workflows), name=APPLICATION, route_prefix="/")
            url = f"http://{settings.host}:{settings.port}/v1"
            yield Running(url, key, is_new, tuple(spec.name for spec in workflows))
        finally:
            on_stage("Stopping")
            if live.started:
                asyncio.run(parts.close())
            else:  # a cluster that others use: its parts stay, our application goes
                serve.delete(APPLICATION)
                asyncio.run(parts.flush())
