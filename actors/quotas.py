"""The quotas of all accounts, in one place of the cluster, so that limits hold over all processes.

A process has a seat here (`actors.turnstile`). It tells, in one message, which calls want to begin and which are over,
and hears which may begin and which are refused; while some of its calls wait it listens. So there is a message for each
process and moment, not for each call, and what is decided is decided with everybody's calls in view.

A seat that is silent for longer than its lease is given up with all its calls: its process is dead. After a restart
nothing is known: every seat is asked to tell everything again, meanwhile nothing begins, and the buckets begin empty.

Undecorated: `actors.runs` makes it a Ray actor with the numbers of `cluster.roles`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol, TypeAlias

from actors.offers import Roll
from workflows.accounts import declared
from workflows.errors import StellaratorError
from workflows.quota import Quota, RateLimits, Refusal, Ticket

log = logging.getLogger(__name__)

LEASE_SECONDS = 10.0
"""For how long a seat may be silent."""
SETTLING_SECONDS = 2.0
"""After a restart: for how long seats have to say what is under way."""
REMEMBER_SECONDS = 120.0
"""For how long what is unused is kept: longer than the minute that limits are about."""
FOLLOW_SECONDS = 10.0

Watch: TypeAlias = Callable[[int, float], Awaitable[Roll]]
"""Everything that is published, once it is newer than a tick, or after so many seconds."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that wants to begin, or `is_running` already.

    Attributes:
        account: whose limits hold for it.
        limits: what its workflow says that they are.
        ticket: the call.
        is_running: it was admitted before; it is only told again.
    """

    account: str
    limits: RateLimits
    ticket: Ticket
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over, or wants to begin no more; `tokens` is what it took, where that is known."""

    id: str
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class PushedBack:
    """A provider's 429, with the seconds that it named."""

    account: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What a seat tells; with `everything` it names all its calls, and what it does not name is over."""

    asks: tuple[Ask, ...] = ()
    ended: tuple[Ended, ...] = ()
    pushed_back: tuple[PushedBack, ...] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """What a seat is told.

    Attributes:
        admitted: calls that begin now.
        refused: calls that do not.
        stranger: the seat is not known; it must tell everything.
        seats: how many there are.
    """

    admitted: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    stranger: bool = False
    seats: int = 1


class Desk(Protocol):
    """Where the calls of all processes are known. Raises only `ClusterError`."""

    async def tell(self, seat: str, news: News) -> Word:
        """Take a seat's news; return what can be said at once."""
        ...

    async def listen(self, seat: str, within: float) -> Word:
        """Return what there is to say to a seat, as soon as there is something, or after `within` seconds."""
        ...


@dataclass(slots=True)
class _Seat:
    heard_at: float
    calls: dict[str, str] = field(default_factory=dict)
    """Ids with their accounts."""
    admitted: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Account:
    quota: Quota
    used_at: float
    said: dict[RateLimits, float] = field(default_factory=dict)
    """Limits that calls came with, and when they last did."""


class Quotas:
    """Keeps the limits of every account that somebody declares limits for.

    Args:
        restarted: there are calls that it does not know of.
        watch: what is published: its limits hold although nobody has called yet.
        share: how many there are like this one, who do not know of each other.
    """

    def __init__(self, *, restarted: bool = False, watch: Watch | None = None, share: int = 1) -> None:
        self._restarted = restarted
        self._settled_at = monotonic() + (SETTLING_SECONDS if restarted else 0.0)
        self._share = share
        self._seats: dict[str, _Seat] = {}
        self._accounts: dict[str, _Account] = {}
        self._owners: dict[str, str] = {}
        self._published: dict[str, RateLimits] = {}
        self._following = asyncio.get_running_loop().create_task(self._follow(watch)) if watch else None

    async def tell(self, seat: str, news: News) -> Word:
        """Take a seat's news; return what can be said at once."""
        now = monotonic()
        if seat not in self._seats and not news.everything:
            return Word(stranger=True)
        here = self._seats.setdefault(seat, _Seat(now))
        here.heard_at = now
        for ended in news.ended:
            self._end(here, ended.id, now, ended.tokens)
        for pushed_back in news.pushed_back:
            if known := self._accounts.get(pushed_back.account):
                known.quota.push_back(now, pushed_back.seconds)
        for ask in news.asks:
            self._take(seat, here, ask, now)
        if news.everything:
            for gone in here.calls.keys() - {ask.ticket.id for ask in news.asks}:
                self._end(here, gone, now, None)
        self._advance(now)
        return self._word(here)

    async def listen(self, seat: str, within: float) -> Word:
        """Return what there is to say to a seat, as soon as there is something, or after `within` seconds."""
        until = monotonic() + within
        while True:
            now = monotonic()
            here = self._seats.get(seat)
            if here is None:
                return Word(stranger=True)
            here.heard_at = now
            here.stirred.clear()
            self._advance(now)
            if here.admitted or here.refused or now >= until:
                return self._word(here)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(until - now, self._due(now))):
                    await here.stirred.wait()

    def _take(self, seat: str, here: _Seat, ask: Ask, now: float) -> None:
        known = self._accounts.get(ask.account)
        if known is None:
            fresh = Quota(ask.limits.share(self._share), now, empty=self._restarted)
            known = self._accounts[ask.account] = _Account(fresh, now)
        known.said[ask.limits] = known.used_at = now
        self._limit(ask.account, known, now)
        here.calls[ask.ticket.id] = ask.account
        self._owners[ask.ticket.id] = seat
        if ask.is_running:
            known.quota.hold(ask.ticket, now)
        elif known.quota.is_running(ask.ticket.id):
            here.admitted.append(ask.ticket.id)  # what it was told got lost
        elif refusal := known.quota.ask(ask.ticket, now):
            self._refuse(refusal)

    def _advance(self, now: float) -> None:
        """Admit whose turn it is, refuse who has waited in vain, and forget who is gone."""
        for name, seat in list(self._seats.items()):
            if seat.heard_at < now - LEASE_SECONDS:
                for call in list(seat.calls):
                    self._end(seat, call, now, None)
                del self._seats[name]
        for name, known in list(self._accounts.items()):
            if not known.quota and known.used_at < now - REMEMBER_SECONDS:
                del self._accounts[name]
                continue
            self._limit(name, known, now)
            for admitted in known.quota.admit(now) if now >= self._settled_at else ():
                here = self._seats[self._owners[admitted]]
                here.admitted.append(admitted)
                here.stirred.set()
            for refusal in known.quota.overdue(now):
                self._refuse(refusal)

    def _limit(self, name: str, known: _Account, now: float) -> None:
        """Of all limits that are declared for an account, the strictest hold."""
        for limits, at in list(known.said.items()):
            if at < now - REMEMBER_SECONDS and len(known.said) > 1:
                del known.said[limits]
        strictest = self._published.get(name, RateLimits())
        for limits in known.said:
            strictest = strictest.strictest(limits)
        known.quota.limit(strictest.share(self._share))

    def _refuse(self, refusal: Refusal) -> None:
        here = self._seats[self._owners.pop(refusal.id)]
        here.calls.pop(refusal.id, None)
        here.refused.append(refusal)
        here.stirred.set()

    def _end(self, here: _Seat, call: str, now: float, tokens: int | None) -> None:
        account = here.calls.pop(call, None)
        if account is None:
            return
        del self._owners[call]
        self._accounts[account].quota.end(call, now, tokens)
        self._accounts[account].used_at = now

    def _due(self, now: float) -> float:
        """Seconds until time alone changes something."""
        due = min((known.quota.due(now) for known in self._accounts.values()), default=LEASE_SECONDS)
        return max(0.001, min(due, LEASE_SECONDS), self._settled_at - now)

    def _word(self, here: _Seat) -> Word:
        word = Word(tuple(here.admitted), tuple(here.refused), seats=len(self._seats))
        here.admitted.clear()
        here.refused.clear()
        return word

    async def _follow(self, watch: Watch) -> None:
        tick = 0
        while True:
            try:
                roll = await watch(tick, FOLLOW_SECONDS)
            except StellaratorError as error:
                log.warning("what is published could not be learnt (%s)", error.code)
                await asyncio.sleep(FOLLOW_SECONDS)
                continue
            if roll.tick != tick:
                self._published = declared(offering.spec for offering in roll.live)
            tick = roll.tick
