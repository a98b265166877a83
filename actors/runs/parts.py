"""The parts of a running cluster, found or started: journal, supervisor with its lanes, coordinators, embedded model.

Everything is named, detached, and taken over when it is already there, so whoever comes first starts it: the
command line, a Serve replica, or an actor. `connect` is what a process calls to get at them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray

from actors.coordinator import Coordinator, Parts
from actors.credits import Credits
from actors.journal.actor import JournalActor
from actors.journal.store import RunQuery
from actors.keeper import Keeper
from actors.keeper import Parts as KeeperParts
from actors.models.factory import ModelFactory
from actors.publisher import Apps, Publisher, PublisherParts
from actors.runs.credits import RemoteCredits
from actors.runs.embedded import embedded_url
from actors.runs.ground import ROLES, RayGround, named
from actors.runs.handles import Handle
from actors.runs.journal import RemoteJournal
from actors.runs.keepers import RemoteKeepers
from actors.runs.lanes import RemoteLanes
from actors.runs.panels import RemotePanels, shard
from actors.runs.publisher import RemotePublisher
from actors.runs.quotas import quota_desk
from actors.runs.session import agreed, is_restarted, named_driver, new_driver, open_session
from actors.runs.tasks import keep_warm
from actors.supervisor import Supervisor
from actors.turnstile import Turnstile
from cluster import roles
from cluster.settings import Settings, secret
from cluster.sizes import Sizes

_journal: Any = ray.remote(JournalActor)
_supervisor: Any = ray.remote(Supervisor)
_coordinator: Any = ray.remote(Coordinator)
_keeper: Any = ray.remote(Keeper)
_credits: Any = ray.remote(Credits)
_publisher: Any = ray.remote(Publisher)

CORES_PER_COORDINATOR = 4
"""A coordinator takes a sixth of a fusion run's CPU, so one of them keeps four cores busy, and two thirds of its own."""
MOST_COORDINATORS = 64


@dataclass(frozen=True, slots=True)
class Cluster:
    """Typed faces of the parts."""

    journal: RemoteJournal
    panels: RemotePanels
    keepers: RemoteKeepers
    crediting: RemoteCredits
    turnstile: Turnstile


def connect() -> Cluster:
    """Find the parts of this cluster, starting those that are missing. Needs a connected Ray."""
    _supervisor_actor()
    return _cluster(new_driver())


def publisher(apps: Callable[[], Apps]) -> RemotePublisher:
    """Find the publisher of this cluster, starting it when it is missing; `apps` is called in its process."""
    options = roles.PUBLISHER.options(get_if_exists=True)

    def connected() -> PublisherParts:
        restarted = ray.get_runtime_context().was_current_actor_reconstructed
        return PublisherParts(_remote_journal(), RemoteLanes(_supervisor_actor()), apps(), restarted)

    return RemotePublisher(_publisher.options(**options).remote(connected))


async def ready(seat: str = "") -> None:
    """Return when every part answers, so that the first request does not wait for processes to start.

    What earlier sessions of the same `seat` (see `session.open_session`) left is closed, or gone on with.
    """
    session = open_session(seat)
    cluster = connect()
    if seat:
        await cluster.journal.bury(f"{seat}.", session)
    await cluster.journal.flush()
    await _supervisor_actor().lanes.remote("light")
    await cluster.panels.ready()
    if await cluster.journal.runs(RunQuery(status="running", kept=True, limit=1)):
        _keeper_actor(0)


async def flush() -> None:
    """Return when everything said so far is in the journal."""
    await _remote_journal().flush()


async def close() -> None:
    """Have every part send what it holds and stop, before the processes of this Ray are ended.

    Runs that are under way are recorded as stopped; kept ones wait for the next session.
    """
    cluster = connect()
    await asyncio.gather(*(keeper.close.remote() for keeper in _keepers()), return_exceptions=True)
    kinds = [await _supervisor_actor().lanes.remote(kind, create=False) for kind in ROLES]
    lanes = [lane for listing in kinds for lane in listing.handles.values()]
    await asyncio.gather(
        cluster.panels.close(),
        cluster.crediting.close(),
        *(lane.close.remote() for lane in lanes),
        return_exceptions=True,
    )
    await cluster.journal.end(f"{open_session()}/", "shutdown")
    await cluster.journal.close()


def _cluster(driver: str) -> Cluster:
    shards = [_coordinator_actor(number) for number in range(_coordinators())]
    crediting = _credits.options(**roles.CREDITS.options(get_if_exists=True)).remote(_remote_journal)
    journal = _remote_journal(driver)
    keepers = RemoteKeepers(_keeper_actor, journal, lambda run_id: shard(run_id, len(shards)))
    return Cluster(journal, RemotePanels(shards), keepers, RemoteCredits(crediting), Turnstile(quota_desk))


def _remote_journal(driver: str = "") -> RemoteJournal:
    settings = Settings.from_env()
    options = roles.JOURNAL.options(get_if_exists=True)
    actor = _journal.options(**options).remote(
        settings.database_url, settings.capture_content == "full", settings.retention
    )
    return RemoteJournal(actor, driver)


def _supervisor_actor() -> Handle:
    options = roles.SUPERVISOR.options(get_if_exists=True)
    return _supervisor.options(**options).remote(_ground)


def _ground() -> tuple[RayGround, Sizes]:
    """What the supervisor works with; called in its own process."""
    sizes = Settings.from_env().sizes
    return RayGround(sizes), sizes


def _coordinator_actor(number: int) -> Handle:
    # Ray packs actors that ask for little onto one node until that is half full.
    options = roles.COORDINATOR.options(number, get_if_exists=True, scheduling_strategy="SPREAD")
    return _coordinator.options(**options).remote(_coordinator_parts)


def _keeper_actor(number: int) -> Handle:
    options = roles.KEEPER.options(number, get_if_exists=True)
    return _keeper.options(**options).remote(partial(_keeper_parts, number))


def _keeper_parts(number: int) -> KeeperParts:
    """What a keeper works with; called in its own process. Its name as a driver outlives the process."""
    cluster = _cluster(named_driver(f"{roles.KEEPER.name}-{number}"))
    models = ModelFactory(secrets=secret, embedded_url=embedded_url)
    return KeeperParts(cluster.journal, cluster.panels, cluster.crediting, models, cluster.turnstile)


def _keepers() -> tuple[Handle, ...]:
    """Those that have been started."""
    return tuple(ray.get_actor(name, namespace=roles.NAMESPACE) for name in named(roles.KEEPER))


def _coordinators() -> int:
    """How many coordinators this session has: decided once, because a run's next life must find the same one."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray has no types here
    usual = max(1, min(MOST_COORDINATORS, int(resources.get("CPU", 1)) // CORES_PER_COORDINATOR))
    return int(agreed("coordinators", str(Settings.from_env().sizes.coordinators or usual)))


def _coordinator_parts() -> Parts:
    """What a coordinator works with; called in its own process."""
    keep_warm(Settings.from_env().sizes.warm_branches)
    return Parts(_remote_journal(), RemoteLanes(_supervisor_actor()), is_restarted())
