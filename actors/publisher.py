"""The publisher: decides which version of which virtual model answers, and switches the gateways over.

    publish ─ probe ─ version in the journal ─ its application is healthy ─ activation in the journal
            ─ the roll has a new tick ─ every gateway has switched ─ the old version drains ─ its application goes

So nobody is sent to a version that is not up, a run ends on the version that it began with, and what is active can
be read off the journal at any moment: a publisher that was restarted brings up what is active there and finds the
applications that run already. One actor, so that what concerns one name happens in turn.

Knows nothing of Serve: `Apps` is given by whoever hosts it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from time import monotonic, time
from typing import Any, Protocol, TypeVar

from actors.gatehouse import Gatehouse
from actors.offers import Key, Offer, Offering, Published, Roll, Trouble, app_name
from actors.panel_run import Lanes
from actors.probe import probed
from cluster import observability
from workflows.accounts import conflicts
from workflows.errors import PublishFailed, StellaratorError
from workflows.publications import Activation, Cause, History, Publication, drafted

T = TypeVar("T")
log = logging.getLogger(__name__)

SWITCH_SECONDS = 60.0
"""How long a publication waits for the gateways to take it."""
DRAIN_SECONDS = 900.0
"""How long a run may go on, on a dedicated version that is no longer active; then its replicas are stopped."""
RETURN_SECONDS = 15.0
"""After a restart: how long gateways have to report before what nobody seems to use is removed."""


class Ledger(Protocol):
    """Publications in the journal."""

    async def add_publication(self, draft: Publication) -> Publication:
        """The version with the draft's content, new or known."""

    async def activate(self, activation: Activation) -> None:
        """Have a version answer from now on, or none."""

    async def histories(self, virtual_model: str | None = None) -> tuple[History, ...]:
        """What was published, under every name or under that one."""


class Apps(Protocol):
    """Applications of dedicated versions."""

    async def start(self, name: str, offering: Offering) -> None:
        """Return when it is healthy, also when it was already; raises `PublishFailed`."""

    async def stop(self, name: str) -> None:
        """Remove it."""

    async def names(self) -> frozenset[str]:
        """Those that are there."""

    async def is_alive(self, gateway: str) -> bool:
        """Whether that gateway's process is there."""


@dataclass(frozen=True, slots=True)
class PublisherParts:
    """What a publisher works with. `restarted`: there are gateways that it does not know yet."""

    ledger: Ledger
    lanes: Lanes
    apps: Apps
    restarted: bool = False


@dataclass(slots=True)
class _Drain:
    """An old version on its way out. `stopping`: it can no longer be kept."""

    task: asyncio.Task[None] | None = None
    stopping: bool = False


class Publisher:
    """Publishes, and tells the gateways."""

    def __init__(self, connect: Callable[[], PublisherParts]) -> None:
        observability.setup("publisher")
        parts = connect()
        self._ledger, self._lanes, self._apps = parts.ledger, parts.lanes, parts.apps
        self._gateways = Gatehouse(parts.apps.is_alive)
        self._live: dict[str, Offering] = {}
        self._tick = int(time() * 1000)
        self._changed = asyncio.Condition()
        self._settled = False
        self._returned_at = monotonic() + (RETURN_SECONDS if parts.restarted else 0.0)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._draining: dict[Key, _Drain] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def offer(self, offer: Offer) -> tuple[Trouble, ...]:
        """Serve what is offered; return what could not be brought up. Harmless when it is said again."""
        return await self._apart(self._offer(offer))

    async def publish(self, draft: Publication, probe: bool) -> Published:
        """Have a workflow answer under its name from now on.

        Raises:
            ProbeFailed: a model does not do what the workflow asks of it; nothing was changed.
            PublishFailed: it could not be brought up; what was active still is.
            JournalUnavailable: it could not be recorded; what was active still is.
        """
        await self._until_settled(draft.virtual_model)
        return await self._apart(self._publish(draft, probe=probe))

    async def rollback(self, name: str, number: int | None, who: str) -> Published:
        """Have an earlier version answer again: that one, or the one before.

        Raises:
            PublicationNotFound: there is no such version.
            PublishFailed: as for `publish`.
        """
        await self._until_settled(name)
        return await self._apart(self._rollback(name, number, who))

    async def unpublish(self, name: str, who: str) -> bool:
        """Have the name answer no more, but for the runs under way; whether it did before."""
        await self._until_settled(name)
        return await self._apart(self._unpublish(name, who))

    async def watch(self, after: int, within: float) -> Roll:
        """Everything that answers, as soon as it is newer than the tick `after`, or after `within` seconds.

        The tick is 0 while this publisher waits to be told what to serve.
        """
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._changed.wait_for(lambda: self._settled and self._tick > after)
        return Roll(self._tick, tuple(self._live.values())) if self._settled else Roll(0, ())

    async def report(self, gateway: str, tick: int, busy: frozenset[Key]) -> None:
        """A gateway has switched to the roll with that tick; these older versions still have runs there."""
        self._gateways.report(gateway, tick, busy)

    async def histories(self, name: str | None) -> tuple[History, ...]:
        """What was published, under every name or under that one; raises `JournalUnavailable`."""
        return await self._ledger.histories(name)

    async def draining(self) -> tuple[Key, ...]:
        """Versions that answer no new runs and still have some."""
        return tuple(self._draining)

    async def close(self) -> None:
        """Remove every application."""
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*(self._apps.stop(name) for name in await self._apps.names()))

    async def _until_settled(self, name: str) -> None:
        """A publisher that was restarted decides nothing before it knows what is served."""
        try:
            async with asyncio.timeout(SWITCH_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self._settled)
        except TimeoutError:
            raise PublishFailed(name, "no gateway has said yet what is served; try again") from None

    async def _apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Finish what was begun, also when whoever asked goes away: Ray cancels what a request's tasks began."""
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _offer(self, offer: Offer) -> tuple[Trouble, ...]:
        drafts = [drafted(spec, who=offer.who, at=offer.at) for spec in offer.workflows]
        wanted = [self._offered(draft, offer) for draft in drafts]
        named = {draft.virtual_model for draft in drafts}
        for history in await self._ledger.histories():
            belongs = offer.everything or history.active_since > offer.at
            if history.active and belongs and history.virtual_model not in named:
                named.add(history.virtual_model)
                wanted.append(self._restored(history))
        troubles = await asyncio.gather(*wanted)
        async with self._changed:
            first, self._settled = not self._settled, True
            self._changed.notify_all()
        if first:
            self._keep(self._remove_leftovers())
        return tuple(trouble for trouble in troubles if trouble)

    async def _offered(self, draft: Publication, offer: Offer) -> Trouble | None:
        try:
            async with self._turns[draft.virtual_model]:
                live = self._live.get(draft.virtual_model)
                if live is not None and (live.publication.hash == draft.hash or live.since > offer.at):
                    return None
                if not offer.recorded:
                    await self._switch(draft, offer.at)
                    return None
                history = await self._history(draft.virtual_model)
                if history.active is not None and history.active_since > offer.at:
                    await self._switch(history.active, history.active_since)
                else:
                    publication = await self._ledger.add_publication(draft)
                    since = history.active_since if history.active == publication else None
                    await self._activate(publication, "publish", draft.who, since)
        except StellaratorError as error:
            return Trouble(draft.virtual_model, str(error))
        return None

    async def _restored(self, history: History) -> Trouble | None:
        try:
            async with self._turns[history.virtual_model]:
                if history.active is not None and history.virtual_model not in self._live:
                    await self._switch(history.active, history.active_since)
        except StellaratorError as error:
            return Trouble(history.virtual_model, str(error))
        return None

    async def _publish(self, draft: Publication, *, probe: bool) -> Published:
        name = draft.virtual_model
        async with self._turns[name]:
            history = await self._history(name)
            active, live = history.active, self._live.get(name)
            if active is not None and active.hash == draft.hash and live and live.publication == active:
                return Published(active, changed=False)
            results = await probed(draft.spec(), self._lanes) if probe else ()
            publication = await self._ledger.add_publication(draft)
            await self._activate(publication, "publish", draft.who)
            await self._taken(name)
        others = [offering.spec for other, offering in self._live.items() if other != name]
        return Published(publication, True, results, warnings=tuple(conflicts(draft.spec(), others)))

    async def _rollback(self, name: str, number: int | None, who: str) -> Published:
        async with self._turns[name]:
            history = await self._history(name)
            to = history.before() if number is None else history.version(number)
            live = self._live.get(name)
            if live is not None and live.publication == to:
                return Published(to, changed=False)
            await self._activate(to, "rollback", who)
            await self._taken(name)
        return Published(to, changed=True)

    async def _unpublish(self, name: str, who: str) -> bool:
        async with self._turns[name]:
            history = await self._history(name)
            was_live = name in self._live
            if history.active is not None:
                gone = Activation(virtual_model=name, number=None, at=time(), who=who, cause="unpublish")
                await self._ledger.activate(gone)
            await self._announce(name, None)
        return was_live or history.active is not None

    async def _history(self, name: str) -> History:
        found = await self._ledger.histories(name)
        return found[0] if found else History(name)

    async def _activate(
        self, publication: Publication, cause: Cause, who: str, since: float | None = None
    ) -> None:
        """Bring a version up, record that it is active unless that is known (`since`), switch to it."""
        name = publication.virtual_model
        offering = await self._bring_up(publication, time() if since is None else since)
        if since is None:
            try:
                await self._ledger.activate(
                    Activation(
                        virtual_model=name, number=publication.number, at=offering.since, who=who, cause=cause
                    )
                )
            except BaseException:
                if name not in self._live or self._live[name].key != offering.key:
                    self._let_go(offering.key, offering.app)
                raise
        await self._announce(name, offering)

    async def _switch(self, publication: Publication, since: float) -> None:
        await self._announce(publication.virtual_model, await self._bring_up(publication, since))

    async def _bring_up(self, publication: Publication, since: float) -> Offering:
        spec = publication.spec()
        if spec.hosting.mode == "shared":
            return Offering(publication, spec, since)
        offering = Offering(publication, spec, since, app_name(publication))
        await self._stay(offering.key)
        await self._apps.start(offering.app, offering)
        return offering

    async def _stay(self, key: Key) -> None:
        """A version that is on its way out and wanted again is kept, unless it is being stopped already."""
        drain = self._draining.get(key)
        if drain is None or drain.task is None:
            return
        if not drain.stopping:
            drain.task.cancel()
        await asyncio.wait([drain.task])

    async def _announce(self, name: str, offering: Offering | None) -> None:
        """Tell the gateways; what answered before them drains."""
        async with self._changed:
            old = self._live.pop(name, None)
            if offering is not None:
                self._live[name] = offering
            self._tick += 1
            self._changed.notify_all()
        if old is not None and (offering is None or old.key != offering.key):
            self._let_go(old.key, old.app)

    async def _taken(self, name: str) -> None:
        """Return when every gateway answers with what was announced last."""
        try:
            async with asyncio.timeout(SWITCH_SECONDS):
                await self._gateways.switched(self._tick)
        except TimeoutError:
            late = f"a gateway did not switch within {SWITCH_SECONDS:g} s; it goes on trying"
            raise PublishFailed(name, late) from None

    def _let_go(self, key: Key, app: str) -> None:
        drain = self._draining[key] = _Drain()
        drain.task = self._keep(self._drain(key, app, self._tick, drain))

    async def _drain(self, key: Key, app: str, tick: int, drain: _Drain) -> None:
        try:
            await asyncio.sleep(max(0.0, self._returned_at - monotonic()))
            await self._gateways.switched(tick)
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._gateways.drained(key)
            drain.stopping = True
            if app:
                await self._apps.stop(app)
        finally:
            if self._draining.get(key) is drain:
                del self._draining[key]

    async def _remove_leftovers(self) -> None:
        """Remove applications of an earlier life of this process that are no longer wanted."""
        leftovers = await self._apps.names() - {offering.app for offering in self._live.values()}
        for app in leftovers - {offering.app for offering in self._live.values()}:
            name, _, number = app.rpartition("@")
            if (name, int(number)) not in self._draining:
                self._let_go((name, int(number)), app)

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("clearing up after a publication failed (%s)", type(error).__name__)
