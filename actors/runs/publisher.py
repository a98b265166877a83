"""The publisher, reached from a gateway or the command line."""

from __future__ import annotations

import ray

from actors.offers import Key, Offer, Published, Roll, Trouble
from actors.runs.errors import translated
from actors.runs.handles import Handle
from workflows.errors import ClusterError
from workflows.publications import History, Publication


class RemotePublisher:
    """The publisher's typed face; errors are those of `actors.publisher.Publisher`, and `ClusterError`."""

    def __init__(self, actor: Handle) -> None:
        self._actor = actor

    def offer_soon(self, offer: Offer) -> None:
        """Have it begin to serve what is offered; return at once."""
        self._actor.offer.remote(offer)

    async def offer(self, offer: Offer) -> tuple[Trouble, ...]:
        """Serve what is offered; return what could not be brought up."""
        async with translated(ClusterError):
            troubles: tuple[Trouble, ...] = await self._actor.offer.remote(offer)
            return troubles

    async def publish(self, draft: Publication, *, probe: bool) -> Published:
        """Have a workflow answer under its name from now on."""
        async with translated(ClusterError):
            published: Published = await self._actor.publish.remote(draft, probe)
            return published

    async def rollback(self, name: str, number: int | None, who: str) -> Published:
        """Have an earlier version answer again."""
        async with translated(ClusterError):
            published: Published = await self._actor.rollback.remote(name, number, who)
            return published

    async def unpublish(self, name: str, who: str) -> bool:
        """Have the name answer no more; whether it did before."""
        async with translated(ClusterError):
            did: bool = await self._actor.unpublish.remote(name, who)
            return did

    async def watch(self, after: int, within: float) -> Roll:
        """Everything that answers, once it is newer than the tick `after` or after `within` seconds."""
        async with translated(ClusterError):
            roll: Roll = await self._actor.watch.remote(after, within)
            return roll

    async def report(self, gateway: str, tick: int, busy: frozenset[Key]) -> None:
        """Say what a gateway has switched to, and which older versions still have runs there."""
        async with translated(ClusterError):
            await self._actor.report.remote(gateway, tick, busy)

    async def histories(self, name: str | None = None) -> tuple[History, ...]:
        """What was published, under every name or under that one."""
        async with translated(ClusterError):
            found: tuple[History, ...] = await self._actor.histories.remote(name)
            return found

    async def draining(self) -> tuple[Key, ...]:
        """Versions that answer no new runs and still have some."""
        async with translated(ClusterError):
            keys: tuple[Key, ...] = await self._actor.draining.remote()
            return keys

    async def ready(self) -> None:
        """Return when it answers."""
        await self.draining()

    async def close(self) -> None:
        """Remove every application, and the publisher."""
        async with translated(ClusterError):
            await self._actor.close.remote()
        ray.kill(self._actor)
