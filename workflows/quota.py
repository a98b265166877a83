"""How many calls one account at a provider may make, and whose turn it is: the bounds of `RateLimits`, kept for all.

A call asks with a `Ticket` and is admitted in its turn, or refused at once when its turn would come later than it can
wait; one that has waited for so long is refused then. Turns go round the clients, and round each one's runs
(`workflows.fair_queue`); a large call is not overtaken by small ones, or it would never begin.

Tokens are reserved when a call begins (its prompt, estimated, and what it may write) and corrected when it is over. A
provider's own 429 stops everybody for as long as it says, and halves the speed, which comes back within a minute.

No I/O and no clock: `now` is seconds on any clock that does not go back. `actors.quotas` hosts them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from workflows.fair_queue import FairQueue, Path
from workflows.rates import Rate, Spent

Because = Literal["max_parallel_requests", "rpm", "tpm", "queue", "provider"]
"""What keeps a call waiting: one of the limits, too many others that wait, or the provider's own 429."""

MOST_WAITING = 2000
MOST_WAITING_OF_ONE_CLIENT = 1000

LEAST_AT_ONCE = 10
"""Requests that may begin at once, however small `rpm` is; never more than it: a panel is asked at once."""

PAUSE_SECONDS = 1.0
"""After a 429 that does not say when to come back."""
LONGEST_PAUSE_SECONDS = 60.0
RECOVERY_SECONDS = 60.0
SLOWEST = 0.1

_NEW = 0.2
"""The weight of the latest call in the mean duration."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What an account may do; None is no bound. The names are LiteLLM's.

    Attributes:
        max_parallel_requests: calls under way at once.
        rpm: calls that begin in any 60 s.
        tpm: tokens, read and written, of the calls that begin in any 60 s.
    """

    max_parallel_requests: int | None = None
    rpm: int | None = None
    tpm: int | None = None

    def strictest(self, other: RateLimits) -> RateLimits:
        """The lower of each."""
        return RateLimits(
            _lower(self.max_parallel_requests, other.max_parallel_requests),
            _lower(self.rpm, other.rpm),
            _lower(self.tpm, other.tpm),
        )

    def share(self, number: int) -> RateLimits:
        """The part of one of so many who cannot agree."""
        return RateLimits(
            _part(self.max_parallel_requests, number), _part(self.rpm, number), _part(self.tpm, number)
        )


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call that wants to begin.

    Attributes:
        id: its own, wherever it comes from.
        flow: the client and the run that it is made for.
        tokens: that it will probably take.
        patience: seconds that it may wait.
    """

    id: str
    flow: Path = ("", "")
    tokens: int = 0
    patience: float = math.inf


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that will not begin: it may come again in so many seconds."""

    id: str
    retry_after: float
    because: Because


@dataclass(frozen=True, slots=True)
class _Waiting:
    ticket: Ticket
    until: float


@dataclass(frozen=True, slots=True)
class _Running:
    began: float
    spent: Spent | None


class Quota:
    """One account.

    Args:
        limits: what it may do.
        now: the time.
        empty: nothing may begin at once: nobody knows what was under way before.
    """

    def __init__(self, limits: RateLimits, now: float, *, empty: bool = False) -> None:
        self.limits = limits
        self._requests = Rate(_bound(limits.rpm), now, least=LEAST_AT_ONCE, empty=empty)
        self._tokens = Rate(_bound(limits.tpm), now, empty=empty)
        self._queue = FairQueue()
        self._waiting: dict[str, _Waiting] = {}
        self._running: dict[str, _Running] = {}
        self._paused_until = now
        self._pace = 1.0
        self._slowed_at = now
        self._mean_seconds = 0.0

    def __len__(self) -> int:
        """How many wait or are under way."""
        return len(self._waiting) + len(self._running)

    def limit(self, limits: RateLimits) -> None:
        """Go on with other limits; what is under way stays so."""
        self.limits = limits
        self._requests.relimit(_bound(limits.rpm))
        self._tokens.relimit(_bound(limits.tpm))

    def ask(self, ticket: Ticket, now: float) -> Refusal | None:
        """Queue a call, or refuse it now. Harmless to repeat."""
        if ticket.id in self._waiting or ticket.id in self._running:
            return None
        self._refill(now)
        wait, because = self._expected(ticket, now)
        full = len(self._queue) >= MOST_WAITING
        if full or self._queue.waiting_in(ticket.flow[0]) >= MOST_WAITING_OF_ONE_CLIENT:
            return Refusal(ticket.id, max(wait, PAUSE_SECONDS), "queue")
        if wait > ticket.patience:
            return Refusal(ticket.id, wait, because)
        self._queue.push(ticket.id, ticket.flow, float(max(1, ticket.tokens)) if self.limits.tpm else 1.0)
        self._waiting[ticket.id] = _Waiting(ticket, now + ticket.patience)
        return None

    def is_running(self, ticket_id: str) -> bool:
        """Whether that call was admitted and is not over."""
        return ticket_id in self._running

    def hold(self, ticket: Ticket, now: float) -> None:
        """Count a call that is under way already, admitted by somebody else."""
        self._forget(ticket.id)
        self._running.setdefault(ticket.id, _Running(now, None))

    def end(self, ticket_id: str, now: float, tokens: int | None = None) -> None:
        """A call is over, or waits no more; `tokens` is what it took, where that is known."""
        self._forget(ticket_id)
        running = self._running.pop(ticket_id, None)
        if running is None:
            return
        self._refill(now)
        if tokens is not None and running.spent is not None:
            self._tokens.correct(running.spent, tokens)
        took = now - running.began
        self._mean_seconds += _NEW * (took - self._mean_seconds) if self._mean_seconds else took

    def push_back(self, now: float, seconds: float | None) -> None:
        """The provider said 429, and when to come back if it did."""
        if now >= self._paused_until:  # of several calls that were refused together, the first counts
            self._pace = max(SLOWEST, self._pace_at(now) / 2)
        pause = min(PAUSE_SECONDS if seconds is None else seconds, LONGEST_PAUSE_SECONDS)
        self._slowed_at = self._paused_until = max(self._paused_until, now + pause)

    def admit(self, now: float) -> tuple[str, ...]:
        """The calls whose turn it is now, in order; they are under way from here on."""
        self._refill(now)
        admitted: list[str] = []
        while (name := self._queue.first()) is not None:
            ticket = self._waiting[name].ticket
            if self._until_free(ticket, now) > 0:
                break
            self._queue.serve(name)
            del self._waiting[name]
            self._requests.spend(1)
            self._running[name] = _Running(now, self._tokens.spend(ticket.tokens))
            admitted.append(name)
        return tuple(admitted)

    def overdue(self, now: float) -> tuple[Refusal, ...]:
        """The calls that have waited for as long as they can, or have to; they are out of the queue from here on."""
        self._refill(now)
        earliest = max(now, self._paused_until)
        late = [each.ticket for each in self._waiting.values() if each.until <= earliest]
        for ticket in late:
            self._forget(ticket.id)
        return tuple(self._refused(ticket, now) for ticket in late)

    def due(self, now: float) -> float:
        """Seconds until `admit` or `overdue` may have something by itself; infinity: never."""
        name = self._queue.first()
        if name is None:
            return math.inf
        self._refill(now)
        patience = min(each.until for each in self._waiting.values()) - now
        return max(0.0, min(patience, self._until_free(self._waiting[name].ticket, now)))

    def _refused(self, ticket: Ticket, now: float) -> Refusal:
        wait, because = self._expected(ticket, now)
        return Refusal(ticket.id, max(wait, PAUSE_SECONDS), because)

    def _until_free(self, ticket: Ticket, now: float) -> float:
        """Seconds until this call may begin, as far as time alone decides."""
        if len(self._running) >= _bound(self.limits.max_parallel_requests):
            return math.inf
        pace = self._pace_at(now)
        waits = (self._paused_until - now, self._requests.wait(1, pace=pace))
        return max(0.0, *waits, self._tokens.wait(ticket.tokens, pace=pace))

    def _expected(self, ticket: Ticket, now: float) -> tuple[float, Because]:
        """When a call that came now would begin, by what is known, and what it would wait for."""
        ahead, pace = self._queue.ahead(ticket.flow), self._pace_at(now)
        waits: dict[Because, float] = {
            "rpm": self._requests.wait(1, ahead, pace),
            "tpm": self._tokens.wait(ticket.tokens, ahead * self._mean_tokens(), pace),
            "max_parallel_requests": self._until_slot(ahead, now),
            "provider": self._paused_until - now,
        }
        because, wait = max(waits.items(), key=lambda each: each[1])
        return max(0.0, wait), because

    def _until_slot(self, ahead: int, now: float) -> float:
        """Seconds until enough calls have ended, when they take as long as the latest did, or the oldest by now."""
        slots = self.limits.max_parallel_requests
        if slots is None or (lacking := ahead + 1 + len(self._running) - slots) <= 0:
            return 0.0
        oldest = next(iter(self._running.values()), None)
        return lacking / slots * (self._mean_seconds or (now - oldest.began if oldest else 0.0))

    def _mean_tokens(self) -> float:
        waiting = self._waiting.values()
        return sum(each.ticket.tokens for each in waiting) / len(waiting) if waiting else 0.0

    def _pace_at(self, now: float) -> float:
        return min(1.0, self._pace + max(0.0, now - self._slowed_at) / RECOVERY_SECONDS)

    def _refill(self, now: float) -> None:
        pace = self._pace_at(now)
        self._requests.refill(now, pace)
        self._tokens.refill(now, pace)

    def _forget(self, ticket_id: str) -> None:
        if self._waiting.pop(ticket_id, None) is not None:
            self._queue.remove(ticket_id)


def _bound(limit: int | None) -> float:
    return math.inf if limit is None else float(limit)


def _lower(one: int | None, other: int | None) -> int | None:
    return min(one, other) if one is not None and other is not None else one if other is None else other


def _part(limit: int | None, number: int) -> int | None:
    return None if limit is None else max(1, limit // number)
