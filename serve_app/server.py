"""A running Stellarator: Ray, the parts, Serve and the HTTP server, started in order and stopped without a trace."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import time

from ray import serve

from actors.offers import Offer
from actors.runs import parts
from actors.runs.publisher import RemotePublisher
from cluster import session
from cluster.guard import check_packages
from cluster.settings import Settings, user
from serve_app.app import application
from serve_app.apps import ServeApps
from serve_app.auth import ensure_key, key_file
from workflows.errors import PublishFailed
from workflows.spec import WorkflowSpec

log = logging.getLogger(__name__)

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
    settings: Settings,
    workflows: Sequence[WorkflowSpec],
    *,
    recorded: bool = False,
    everything: bool = False,
    on_stage: Callable[[str], None],
) -> Iterator[Running]:
    """Start everything, yield where it answers, stop everything that was started.

    Args:
        settings: of this process.
        workflows: to be served.
        recorded: publish them in the journal; else they are served for as long as this server lives.
        everything: serve everything else that is published in the journal, too.
        on_stage: told what is being done.

    Raises:
        SetupError: Ray cannot be started, or the port is taken.
        PublishFailed: one of the workflows could not be brought up.

    """
    check_packages()
    key, is_new = ensure_key(key_file(settings), settings.api_key)
    on_stage("Starting Ray")
    with session.connect(settings) as live:
        on_stage("Starting the journal, the coordinator and the lanes")
        asyncio.run(parts.ready(_seat(settings) if live.started else ""))
        on_stage("Starting Ray Serve")
        serve.start(
            http_options={"host": settings.host, "port": settings.port},
            logging_config={"log_level": "WARNING", "enable_access_log": False},  # we log runs, not requests
        )
        offer = Offer(
            workflows=tuple(workflows), at=time(), recorded=recorded, everything=everything, who=user()
        )
        publisher = parts.publisher(ServeApps)
        try:
            on_stage(f"Publishing {', '.join(spec.name for spec in workflows) or 'what is active'}")
            yield _published(offer, publisher, settings, key, is_new=is_new)
        finally:
            on_stage("Stopping")
            # The doors first, so that nothing begins while what is under way is being recorded as stopped. Not awaited in a
            # session of ours: requests would be waited for, and their processes end with it anyway.
            serve.delete(APPLICATION, _blocking=not live.started)
            if live.started:
                asyncio.run(parts.close())
            else:  # a cluster that others use: its parts stay, our applications go
                asyncio.run(publisher.close())
                asyncio.run(parts.flush())


def _seat(settings: Settings) -> str:
    """The state folder on this machine: only one session can be in it, so whatever others left there is over."""
    return hashlib.sha256(f"{platform.node()}:{settings.home}".encode()).hexdigest()[:12]


def _published(
    offer: Offer, publisher: RemotePublisher, settings: Settings, key: str, *, is_new: bool
) -> Running:
    """Start the gateway and what it is to serve, at the same time."""
    publisher.offer_soon(offer)
    serve.run(application(offer), name=APPLICATION, route_prefix="/")
    named = {spec.name for spec in offer.workflows}
    for trouble in asyncio.run(publisher.offer(offer)):
        if trouble.virtual_model in named:
            raise PublishFailed(trouble.virtual_model, trouble.message)
        log.warning("%s is published and cannot be served: %s", trouble.virtual_model, trouble.message)
    roll = asyncio.run(publisher.watch(0, 0.0))
    url = f"http://{settings.host}:{settings.port}/v1"
    return Running(url, key, is_new, tuple(sorted(offering.key[0] for offering in roll.live)))
