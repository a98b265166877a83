"""Where the calls of one process wait for their turn, when limits hold for what they call.

Knows its `Desk`, where all processes' calls are known, and speaks to it in batches: all calls that came, and all that
ended, since the last message. Without a limited call there is no desk and no message.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field, replace
from itertools import count
from time import monotonic
from typing import Any

from actors.quotas import LEASE_SECONDS, Ask, Desk, Ended, News, PushedBack, Word
from cluster import metrics
from cluster.instruments import QUOTA_REFUSED, QUOTA_WAIT, QUOTA_WAITING
from workflows.errors import ClusterError, RateLimited
from workflows.quota import RateLimits, Refusal, Ticket

PACE_SECONDS = 0.005
"""Between two messages at least."""
LINGER_SECONDS = 0.02
"""How long the word of a call that is over waits for company; one that wants to begin does not wait."""
LISTEN_SECONDS = 2.0
RENEW_SECONDS = LEASE_SECONDS / 4
"""How often the desk hears of a process that has calls under way."""
AGAIN_SECONDS = 0.5
"""After a desk could not be reached."""
SLACK_SECONDS = 10.0
"""How much later than a call's patience is over the desk must have said so."""
CLOSE_SECONDS = 2.0

_BECAUSE = {
    "rpm": "its limit of requests a minute is used up",
    "tpm": "its limit of tokens a minute is used up",
    "max_parallel_requests": "as many requests as it may have are under way",
    "queue": "too many requests wait for their turn",
    "provider": "the provider has asked for a pause",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that limits hold for.

    Attributes:
        model: the provider's name of it, for people.
        account: `workflows.accounts.account` of it.
        limits: of the account.
        client: whoever the run is made for, as far as that is known.
        run_id: the run's.
        tokens: that it will probably take.
        patience: seconds that it may wait.
    """

    model: str
    account: str
    limits: RateLimits
    client: str
    run_id: str
    tokens: int
    patience: float


@dataclass(slots=True)
class _Unsaid:
    """What the desk does not know yet."""

    asks: list[Ask] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    pushed_back: list[PushedBack] = field(default_factory=list)
    everything: bool = True

    def __bool__(self) -> bool:
        return bool(self.asks or self.ended or self.pushed_back)

    def clear(self) -> None:
        """It is told."""
        self.asks.clear()
        self.ended.clear()
        self.pushed_back.clear()
        self.everything = False


class Permit:
    """A call's turn, after so many seconds of waiting. Must be ended; harmless to end twice."""

    def __init__(
        self, account: str, waited: float, end: Callable[[int | None], None], unsaid: _Unsaid
    ) -> None:
        self.waited = waited
        self._account = account
        self._end = end
        self._unsaid = unsaid

    def push_back(self, seconds: float | None) -> None:
        """The provider answered 429, and named these seconds if it named any."""
        self._unsaid.pushed_back.append(PushedBack(self._account, seconds))

    def end(self, tokens: int | None = None) -> None:
        """The call is over; `tokens` is what it took, where that is known."""
        self._end(tokens)


@dataclass(frozen=True, slots=True)
class _Waiting:
    ask: Ask
    answer: asyncio.Future[Refusal | None]


class Turnstile:
    """The limited calls of one process; lives on one event loop. `desk` is called when there is a first one."""

    def __init__(self, desk: Callable[[], Desk]) -> None:
        self._open = desk
        self._desk: Desk | None = None
        self._seat = secrets.token_hex(6)
        self._numbers = count()
        self._waiting: dict[str, _Waiting] = {}
        self._running: dict[str, Ask] = {}
        self._unsaid = _Unsaid()
        self._stirred, self._urgent = asyncio.Event(), asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    async def enter(self, claim: Claim) -> Permit:
        """Wait for a call's turn.

        Raises:
            RateLimited: it would not come in time; raised as soon as that is known.
        """
        began = monotonic()
        waiting = self._queued(claim)
        name = waiting.ask.ticket.id
        outcome = "cancelled"
        try:
            async with asyncio.timeout(claim.patience + SLACK_SECONDS):
                refusal = await waiting.answer
            outcome = "refused" if refusal else "admitted"
        except TimeoutError:
            outcome, refusal = "refused", Refusal(name, SLACK_SECONDS, "queue")
        finally:
            waited = monotonic() - began
            metrics.record(QUOTA_WAIT, waited, {"model": claim.model, "outcome": outcome})
            if outcome != "admitted":
                self._end(name, 0)
        if refusal is not None:
            metrics.record(QUOTA_REFUSED, 1, {"model": claim.model, "reason": refusal.because})
            raise _refused(claim, refusal)
        return Permit(claim.account, waited, lambda tokens: self._end(name, tokens), self._unsaid)

    async def aclose(self) -> None:
        """End every call and say so."""
        for name in [*self._waiting, *self._running]:
            self._end(name, None)
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=CLOSE_SECONDS)
        for task in (self._telling, self._listening):
            if task is not None:
                task.cancel()

    def _queued(self, claim: Claim) -> _Waiting:
        name = f"{self._seat}:{next(self._numbers)}"
        ticket = Ticket(name, (claim.client, claim.run_id), claim.tokens, claim.patience)
        ask = Ask(claim.account, claim.limits, ticket)
        waiting = self._waiting[name] = _Waiting(ask, asyncio.get_running_loop().create_future())
        self._unsaid.asks.append(ask)
        self._hurry()
        self._stir()
        return waiting

    def _end(self, name: str, tokens: int | None) -> None:
        """A call is over, or waits no more."""
        waited, ran = self._waiting.pop(name, None), self._running.pop(name, None)
        if waited or ran:
            self._unsaid.ended.append(Ended(name, tokens))
            self._stir()

    def _hurry(self) -> None:
        self._urgent.set()
        self._stirred.set()

    def _stir(self) -> None:
        self._stirred.set()
        if self._telling is None or self._telling.done():
            self._telling = _apart(self._tell_on())

    async def _tell_on(self) -> None:
        """Tell the desk what there is to tell, as long as it knows calls of ours."""
        forget = metrics.watch(QUOTA_WAITING, lambda: len(self._waiting), {})
        try:
            while self._unsaid or self._waiting or self._running:
                await self._until_worth_telling()
                await self._tell()
                if self._waiting and (self._listening is None or self._listening.done()):
                    self._listening = _apart(self._listen_on())
                await asyncio.sleep(PACE_SECONDS)
        finally:
            forget()

    async def _until_worth_telling(self) -> None:
        if not self._unsaid:
            await _within(RENEW_SECONDS, self._stirred)
        if self._unsaid:
            await _within(LINGER_SECONDS, self._urgent)
        self._stirred.clear()
        self._urgent.clear()

    async def _tell(self) -> None:
        self._desk = self._desk or self._open()
        news = self._news()
        try:
            self._hear(await self._desk.tell(self._seat, news))
        except ClusterError:
            # Nobody knows what of it arrived; told again, it does no harm.
            self._unsaid.everything = True
            self._unsaid.pushed_back[:0] = news.pushed_back
            await asyncio.sleep(AGAIN_SECONDS)
            self._hurry()

    async def _listen_on(self) -> None:
        while self._waiting and self._desk is not None:
            try:
                word = await self._desk.listen(self._seat, LISTEN_SECONDS)
            except ClusterError:
                word = Word(stranger=True)  # nobody knows what it would have said
            self._hear(word)
            if word.stranger:
                await asyncio.sleep(AGAIN_SECONDS)

    def _news(self) -> News:
        """What the desk does not know yet; it is taken for told."""
        unsaid, everything = self._unsaid, self._unsaid.everything
        asks = tuple(unsaid.asks)
        if everything:
            under_way = (replace(ask, is_running=True) for ask in self._running.values())
            asks = (*under_way, *(waiting.ask for waiting in self._waiting.values()))
        news = News(asks, tuple(unsaid.ended), tuple(unsaid.pushed_back), everything)
        unsaid.clear()
        return news

    def _hear(self, word: Word) -> None:
        for name in word.admitted:
            if waiting := self._waiting.pop(name, None):
                self._running[name] = waiting.ask
                _answer(waiting, None)
        for refusal in word.refused:
            if waiting := self._waiting.pop(refusal.id, None):
                _answer(waiting, refusal)
        if word.stranger:
            self._unsaid.everything = True
            self._hurry()


def _apart(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task in an empty context: Ray takes what a run's tasks begin for its children, and cancels them with it."""
    return asyncio.get_running_loop().create_task(work, context=Context())


async def _within(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _answer(waiting: _Waiting, refusal: Refusal | None) -> None:
    if not waiting.answer.done():  # whoever waited may have gone at this very moment
        waiting.answer.set_result(refusal)


def _refused(claim: Claim, refusal: Refusal) -> RateLimited:
    return RateLimited(claim.model, _BECAUSE[refusal.because], None, refusal.retry_after)
