"""Collect a fan-out's futures to quorum or deadline, and account for every loser.

Three ways in which a call ends here: it answers, it fails, or it is stopped because enough others answered or
time is up. Cancelling the wait for a Ray call does not cancel the call, so stragglers are stopped explicitly and
then given a moment to report what they had used; one that does not report is recorded all the same. Whatever
happens to the collector itself, unfinished calls are cancelled on the way out. The model of this page is trio's
`open_tcp_stream`: the first good ones win, the losers are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Protocol

from workflows.collecting import decide
from workflows.errors import LaneLost, StellaratorError
from workflows.flow import Answered, Call, Cancelled, Collected, EndedBy, Failed, Outcome
from workflows.messages import Usage
from workflows.policy import Collect

STOP_REPORT_SECONDS = 1.0
"""How long a stopped call may take to say what it had used."""

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for what a call sent when nobody reported; such usage is marked as estimated."""


class Pending(Protocol):
    """A call that some process is making."""

    def result(self) -> Awaitable[Outcome]:
        """The outcome, once."""

    def stop(self, reason: str) -> None:
        """Ask for the call to be stopped; its result then is a `Cancelled`. Does not wait."""

    def cancel(self) -> None:
        """Give the call up without wanting to hear of it again."""


async def collect(
    pending: Mapping[Call, Pending],
    policy: Collect,
    on_outcome: Callable[[Call, Outcome], Awaitable[None]],
) -> Collected:
    """Wait for the calls as `policy` says; report each outcome as it arrives; return all of them, in order.

    `on_outcome` is awaited for every outcome, concurrently, before it counts: it puts it into the journal.
    """
    began = monotonic()
    tasks = {
        asyncio.ensure_future(_settle(call, flying, began, on_outcome)): call
        for call, flying in pending.items()
    }
    try:
        ended_by = await _wait(set(tasks), policy, began)
        if stragglers := [task for task in tasks if not task.done()]:
            reason = "straggler" if ended_by == "quorum" else "deadline"
            await _stop(stragglers, {task: pending[tasks[task]] for task in stragglers}, reason)
        outcomes = [
            task.result()
            if task.done() and not task.cancelled()
            else await _unheard(tasks[task], ended_by, began, on_outcome)
            for task in tasks
        ]
        return Collected(tuple(outcomes), ended_by)
    finally:
        for task, call in tasks.items():
            if not task.done() or task.cancelled():
                pending[call].cancel()
                task.cancel()


async def _settle(
    call: Call, flying: Pending, began: float, on_outcome: Callable[[Call, Outcome], Awaitable[None]]
) -> Outcome:
    """Wait for one call; a lost process becomes a failure of this call only."""
    try:
        outcome = await flying.result()
    except StellaratorError as error:
        outcome = Failed(call.step_id, error.failure(), monotonic() - began, model=call.model)
    await on_outcome(call, outcome)
    return outcome


async def _wait(tasks: set[asyncio.Task[Outcome]], policy: Collect, began: float) -> EndedBy:
    answered_at: list[float] = []
    waiting = tasks
    while True:
        now = monotonic() - began
        verdict = decide(policy, elapsed=now, pending=len(waiting), answered_at=answered_at)
        if not isinstance(verdict, float):
            return verdict
        done, waiting = await asyncio.wait(
            waiting, timeout=verdict, return_when=asyncio.FIRST_COMPLETED
        )
        now = monotonic() - began
        answered_at += [now for task in done if isinstance(task.result(), Answered)]


async def _stop(
    stragglers: list[asyncio.Task[Outcome]], flying: Mapping[asyncio.Task[Outcome], Pending], reason: str
) -> None:
    for task in stragglers:
        flying[task].stop(reason)
    await asyncio.wait(stragglers, timeout=STOP_REPORT_SECONDS)
    for task in stragglers:
        task.cancel()
    await asyncio.wait(stragglers)


async def _unheard(
    call: Call, ended_by: EndedBy, began: float, on_outcome: Callable[[Call, Outcome], Awaitable[None]]
) -> Outcome:
    """The record of a stopped call that did not report."""
    reason = "straggler" if ended_by == "quorum" else "deadline"
    outcome = Cancelled(call.step_id, reason, monotonic() - began, sent(call), call.model)
    await on_outcome(call, outcome)
    return outcome


def sent(call: Call) -> Usage:
    """An estimate of what a call sent, for one whose provider never reported."""
    characters = sum(len(message.text) for message in call.request.messages)
    return Usage(input_tokens=-(-characters // CHARACTERS_PER_TOKEN), estimated=True)


def lost(call: Call, seconds: float) -> Failed:
    """The outcome of a call whose process died."""
    return Failed(call.step_id, LaneLost().failure(), seconds, sent(call), call.model)
