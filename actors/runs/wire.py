"""The wire to one lane: what a process has to tell it goes in one message, and outcomes come back as they land.

A Ray call costs a millisecond of CPU over both processes. So orders, stops and releases that arise together travel
together: the first at once, what follows within `GATHER_SECONDS` in the next message. Outcomes come back through one
standing question while any call is in flight; the lane answers it with the first outcome, and with all that are there.
An idle wire sends nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context

from ray.exceptions import ActorDiedError

from actors.orders import CallOrder, Letter, Mail, Stop
from actors.runs.errors import translated
from actors.runs.handles import Handle
from workflows.errors import LaneLost
from workflows.flow import Cancelled, Outcome

GATHER_SECONDS = 0.003
"""Time between two messages to a lane."""
STANDING_SECONDS = 30.0
"""How long one question for outcomes stands."""
AGAIN_SECONDS = 0.2
"""Time after which a lane that did not answer is asked once more; a dead one says so at once."""


class Wire:
    """One lane, as one process of ours uses it. `gone` is called once, when the lane is."""

    def __init__(self, lane: Handle, gone: Callable[[], None]) -> None:
        self._lane = lane
        self._gone = gone
        self._box = secrets.token_hex(8)
        self._heard = 0
        self._waiting: dict[tuple[str, str], tuple[CallOrder, asyncio.Future[Outcome]]] = {}
        self._orders: list[CallOrder] = []
        self._stops: dict[tuple[str, str], list[str]] = {}
        self._released: list[str] = []
        self._is_lost = False
        self._sending: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no call is in flight there."""
        return not self._waiting

    def order(self, order: CallOrder) -> asyncio.Future[Outcome]:
        """Have a call made; its outcome, or `LaneLost`."""
        key = (order.run_id, order.call.step_id)
        if key in self._waiting:
            return self._waiting[key][1]
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if self._is_lost:
            outcome.set_exception(LaneLost())
            return outcome
        self._waiting[key] = (order, outcome)
        self._orders.append(order)
        self._send_soon()
        return outcome

    def stop(self, order: CallOrder, reason: str) -> None:
        """Ask the lane to stop a call; its outcome then says what it used."""
        if order in self._orders:
            self._orders.remove(order)
            self._land(order.run_id, Cancelled(order.call.step_id, reason, 0.0, model=order.call.model))
            return
        self._stops.setdefault((order.run_id, reason), []).append(order.call.step_id)
        self._send_soon()

    def give_up(self, order: CallOrder) -> None:
        """Have a call stopped of which nobody wants to hear again."""
        if (order.run_id, order.call.step_id) in self._waiting:
            self.stop(order, "cancelled")
            self._waiting.pop((order.run_id, order.call.step_id), None)

    def release(self, run_id: str) -> None:
        """Have the lane forget a run that is over; whenever there is something to say next."""
        self._released.append(run_id)

    def renew(self, run_ids: tuple[str, ...], lease: float) -> None:
        """Keep these runs' calls there alive; says at the same time what has been waiting to be said."""
        if flying := {run_id for run_id, _ in self._waiting}.intersection(run_ids):
            self._lane.renew.remote(tuple(flying), lease)
        if self._released:
            self._send_soon()

    async def held(self, run_id: str) -> tuple[str, ...]:
        """The steps of a run that the lane knows."""
        async with translated(LaneLost):
            steps: tuple[str, ...] = await self._lane.held.remote(run_id)
            return steps

    def _send_soon(self) -> None:
        if self._sending is None or self._sending.done():
            # In an empty context: what Ray takes for a request's children would end with that request.
            loop = asyncio.get_running_loop()
            self._sending = loop.create_task(self._send(), context=Context())

    async def _send(self) -> None:
        """Say what there is to say, and what comes up meanwhile."""
        while self._orders or self._stops or self._released:
            letter = self._letter()
            if self._waiting and (self._asking is None or self._asking.done()):
                self._asking = asyncio.get_running_loop().create_task(self._ask(letter), context=Context())
            else:
                await self._take(letter)
            await asyncio.sleep(GATHER_SECONDS)

    async def _take(self, letter: Letter) -> None:
        """Say something beside a question that stands; once more when it may not have arrived."""
        for _ in range(2):
            with suppress(LaneLost):
                async with translated(LaneLost):
                    await self._lane.take.remote(letter)
                return
            await asyncio.sleep(AGAIN_SECONDS)
        self._lose()

    async def _ask(self, letter: Letter) -> None:
        """Stand by the lane with a question as long as calls are in flight there; `letter` goes with the first one."""
        was_silent = False
        while self._waiting:
            try:
                async with translated(LaneLost):
                    mail: Mail = await self._lane.exchange.remote(letter, STANDING_SECONDS)
            except LaneLost as error:
                if was_silent or isinstance(error.__cause__, ActorDiedError):
                    self._lose()
                    return
                was_silent = True
                await asyncio.sleep(AGAIN_SECONDS)
                # Whatever was on its way may be lost; ordering a call again joins it.
                letter = Letter(self._box, self._heard, tuple(order for order, _ in self._waiting.values()))
            else:
                was_silent = False
                for landed in mail.landed:
                    self._land(landed.run_id, landed.outcome)
                self._heard = mail.place + len(mail.landed)
                letter = Letter(self._box, self._heard)

    def _letter(self) -> Letter:
        """Everything that there is to say."""
        stops = tuple(Stop(run_id, tuple(steps), reason) for (run_id, reason), steps in self._stops.items())
        letter = Letter(self._box, self._heard, tuple(self._orders), stops, tuple(self._released))
        self._orders, self._stops, self._released = [], {}, []
        return letter

    def _land(self, run_id: str, outcome: Outcome) -> None:
        held = self._waiting.pop((run_id, outcome.step_id), None)
        if held is not None and not held[1].done():
            held[1].set_result(outcome)

    def _lose(self) -> None:
        """Say to everybody who waits that the lane is gone."""
        if self._is_lost:
            return
        self._is_lost = True
        waiting, self._waiting = self._waiting, {}
        self._gone()
        for _, outcome in waiting.values():
            if not outcome.done():
                outcome.set_exception(LaneLost())
