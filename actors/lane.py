"""A lane: an async actor that makes LLM calls, thousands at once, each at most once.

A call that waits costs a few kilobytes here, where a Ray task of its own would cost a process. How many lanes there are is
the supervisor's business. litellm has lanes of its own, because importing it costs 190 MB.

Undecorated: `actors.runs` makes it a Ray actor with the numbers of `cluster.roles`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextvars import Context
from time import monotonic, process_time

from actors.flights import RETAIN_SECONDS, Flights, Stopped
from actors.limited import perform_in_turn
from actors.mailbox import Mailbox
from actors.models.factory import ModelFactory, load_litellm
from actors.orders import CallOrder, Landed, Letter, Load, Mail
from actors.quotas import Desk
from actors.turnstile import Turnstile
from cluster import metrics, observability, open_files
from cluster.instruments import CALLS_ACTIVE
from cluster.settings import secret
from workflows.errors import Overloaded
from workflows.flow import Failed, Outcome

SWEEP_SECONDS = 1.0
FILES_APART = 256
"""Open files that are not calls: Ray's sockets, libraries, logs."""


class Lane:
    """Makes calls for coordinators, at most `most` at once, or as many as the system lets it have sockets."""

    def __init__(
        self,
        embedded_url: Callable[[], Awaitable[str]],
        desk: Callable[[], Desk],
        *,
        most: int,
        litellm: bool = False,
    ) -> None:
        observability.setup("lane")
        metrics.watch(CALLS_ACTIVE, lambda: len(self._flights), {})
        if litellm:
            load_litellm()
        self._room = min(most, open_files.raised() - FILES_APART)
        self._models = ModelFactory(secrets=secret, embedded_url=embedded_url)
        self._turnstile = Turnstile(desk)
        self._flights = Flights(self._perform)
        self._boxes: dict[str, Mailbox] = {}
        self._landing = set[asyncio.Task[None]]()
        self._sweeper: asyncio.Task[None] | None = None
        self._asked = (monotonic(), process_time())

    async def exchange(self, letter: Letter, within: float) -> Mail:
        """Do what a letter says, then wait for outcomes that its writer has not heard of.

        Answers with the first that lands and all that are there by then; with none after `within` seconds.
        """
        await self.take(letter)
        return await self._box(letter).after(letter.heard, within)

    async def take(self, letter: Letter) -> None:
        """Do what a letter says: begin calls or join them, stop calls, forget runs."""
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), context=Context())
        for stop in letter.stops:
            self._flights.stop(stop.run_id, stop.step_ids, stop.reason)
        for run_id in letter.released:
            self._flights.release(run_id)
        for order in letter.orders:
            # In an empty context: what Ray takes for the letter's children would end with the letter.
            task = asyncio.get_running_loop().create_task(
                self._fly(order, self._box(letter)), context=Context()
            )
            self._landing.add(task)
            task.add_done_callback(self._landing.discard)

    async def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Keep the calls of these runs alive for another lease."""
        self._flights.renew(run_ids, lease)

    async def held(self, run_id: str) -> tuple[str, ...]:
        """The steps of a run that this lane knows."""
        return self._flights.held(run_id)

    async def load(self) -> Load:
        """How busy it is, and has been since the last time that somebody asked."""
        (then, spent), self._asked = self._asked, (monotonic(), process_time())
        now, used = self._asked
        return Load(len(self._flights), self._room, (used - spent) / max(now - then, 1e-3))

    async def close(self) -> None:
        """Stop everything, close the connections, send the last spans and metrics."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        await self._flights.stop_all("shutdown")
        await self._models.aclose()
        await asyncio.to_thread(observability.flush)

    def _box(self, letter: Letter) -> Mailbox:
        if letter.mailbox not in self._boxes:
            self._boxes[letter.mailbox] = Mailbox(letter.heard)
        return self._boxes[letter.mailbox]

    async def _fly(self, order: CallOrder, box: Mailbox) -> None:
        box.put(Landed(order.run_id, await self._made(order)))

    async def _made(self, order: CallOrder) -> Outcome:
        call = order.call
        if len(self._flights) >= self._room and not self._flights.knows(order):
            return Failed(call.step_id, Overloaded().failure(), 0.0, model=call.model)
        return await self._flights.join(order)

    async def _perform(self, order: CallOrder, stopped: Stopped) -> Outcome:
        model = self._models.model(order.model)
        return await perform_in_turn(model, order, stopped, self._turnstile)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._flights.sweep()
            long_ago = monotonic() - RETAIN_SECONDS
            self._boxes = {name: box for name, box in self._boxes.items() if box.asked_at > long_ago}
