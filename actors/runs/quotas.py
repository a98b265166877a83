"""The actor that keeps the limits of providers' accounts, started by whoever first brings a limited model up, or calls it."""

from __future__ import annotations

import asyncio
from typing import Any

import ray

from actors.offers import Roll
from actors.quotas import News, Quotas, Word
from actors.runs.errors import translated
from actors.runs.handles import Handle
from actors.runs.publisher import RemotePublisher
from actors.runs.session import is_restarted
from actors.steady_desk import SteadyDesk
from cluster import observability, roles
from workflows.errors import ClusterError


class QuotaActor(Quotas):
    """The quotas in a process of their own, with what is published in view."""

    def __init__(self) -> None:
        observability.setup("quota")
        super().__init__(restarted=is_restarted(), watch=_published)


class RemoteQuotas:
    """Its typed face; the actor is found, or started, when there is something to say."""

    def __init__(self) -> None:
        self._actor: Handle | None = None

    async def tell(self, seat: str, news: News) -> Word:
        """Take a seat's news; return what can be said at once."""
        return await self._said("tell", seat, news)

    async def listen(self, seat: str, within: float) -> Word:
        """Return what there is to say to a seat, as soon as there is something."""
        return await self._said("listen", seat, within)

    async def _said(self, method: str, seat: str, told: News | float) -> Word:
        try:
            async with translated(ClusterError):
                # On a thread: it asks the cluster's head, which may be away.
                self._actor = self._actor or await asyncio.to_thread(_found)
                word: Word = await getattr(self._actor, method).remote(seat, told)
                return word
        except ClusterError:
            self._actor = None
            raise


_quota: Any = ray.remote(QuotaActor)


def _found() -> Handle:
    return _quota.options(**roles.QUOTA.options(get_if_exists=True)).remote()


def start_quotas() -> None:
    """Have the actor started, so that the first limited call does not wait for that; return soon."""
    _found()


def quota_desk() -> SteadyDesk:
    """The desk of this cluster, for one process."""
    return SteadyDesk(RemoteQuotas())


async def _published(after: int, within: float) -> Roll:
    """Everything that is published, as the publisher says; raises `ClusterError` where there is none."""
    try:
        actor: Handle = ray.get_actor(roles.PUBLISHER.name, namespace=roles.NAMESPACE)
    except ValueError as error:
        raise ClusterError("nothing is published yet") from error
    return await RemotePublisher(actor).watch(after, within)
