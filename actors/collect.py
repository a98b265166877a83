"""Collect a fan-out's futures to quorum or deadline, and account for every loser.

Three ways in which a call ends here: it answers, it fails, or it is stopped because enough others answered or
time is up. Cancelling the wait for a Ray call does not cancel the call, so stragglers are stopped explicitly and
then given a moment to report what they had used; one that does not report is recorded all the same. Whatever
happens to the collector itself, unfinished calls are cancelled on the way out. The model of this page is trio's
`open_tcp_stream`: the first good ones win, the losers are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Protocol

from workflows.candidates import judge
from workflows.collecting import decide
from workflows.errors import StellaratorError
from workflows.flow import Answered, Call, Cancelled, Collected, EndedBy, Failed, Outcome
from workflows.messages import Usage
from workflows.policy import Collect

STOP_REPORT_SECONDS = 1.0
"""How long a stopped call may take to say what it had used."""

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for what a call sent when nobody reported; such usage is marked as estimated."""


OnOutcome = Callable[[Call, Outcome], None]


class Pending(Protocol):
    """A call that some process is making."""

    def result(self) -> Awaitable[Outcome]:
        """The outcome, once."""

    def stop(self, reason: str) -> None:
        """Ask for the call to be stopped; its result then is a `Cancelled`. Does not wait."""

    def cancel(self) -> None:
        """Give the call up without wanting to hear of it again."""


async def collect(
    flying: Sequence[tuple[Call, Pending]], policy: Collect, on_outcome: OnOutcome
) -> Collected:
    """Wait for the calls as `policy` says; report each outcome as it arrives; return all of them, in order.

    `on_outcome` is called with every outcome, before it counts: it records it.
    """
    began = monotonic()
    tasks = [asyncio.ensure_future(_settle(call, pending, began, on_outcome)) for call, pending in flying]
    try:
        ended_by = await _wait(set(tasks), policy, began)
        reason = "straggler" if ended_by == "quorum" else "deadline"
        stragglers = [(task, p) for task, (_, p) in zip(tasks, flying, strict=True) if not task.done()]
        await _stop(stragglers, reason)
        outcomes = [
            _unheard(call, reason, began, on_outcome) if task.cancelled() else task.result()
            for task, (call, _) in zip(tasks, flying, strict=True)
        ]
        return Collected(tuple(outcomes), ended_by)
    finally:
        for task, (_, pending) in zip(tasks, flying, strict=True):
            if not task.done() or task.cancelled():
                pending.cancel()
                task.cancel()


async def _settle(call: Call, pending: Pending, began: float, on_outcome: OnOutcome) -> Outcome:
    """Wait for one call; a lost process becomes a failure of this call only."""
    try:
        outcome = await pending.result()
    except StellaratorError as error:
        outcome = Failed(call.step_id, error.failure(), monotonic() - began, model=call.model)
    on_outcome(call, outcome)
    return outcome


async def _wait(tasks: set[asyncio.Task[Outcome]], policy: Collect, began: float) -> EndedBy:
    answered_at: list[float] = []
    waiting = tasks
    while True:
        now = monotonic() - began
        verdict = decide(policy, elapsed=now, pending=len(waiting), answered_at=answered_at)
        if not isinstance(verdict, float):
            return verdict
        done, waiting = await asyncio.wait(waiting, timeout=verdict, return_when=asyncio.FIRST_COMPLETED)
        now = monotonic() - began
        answered_at += [now for task in done if not task.cancelled() and usable(task.result())]


def usable(outcome: Outcome) -> bool:
    """Whether an outcome counts towards the quorum: an answer that has something to say (`judge`)."""
    return isinstance(outcome, Answered) and judge(outcome.completion).usable


async def _stop(stragglers: Sequence[tuple[asyncio.Task[Outcome], Pending]], reason: str) -> None:
    """Stop calls, and give up those that do not report."""
    if not stragglers:
        return
    for _, pending in stragglers:
        pending.stop(reason)
    tasks = [task for task, _ in stragglers]
    _, silent = await asyncio.wait(tasks, timeout=STOP_REPORT_SECONDS)
    for task in silent:
        task.cancel()
    await asyncio.wait(tasks)


def _unheard(call: Call, reason: str, began: float, on_outcome: OnOutcome) -> Outcome:
    """The record of a stopped call that did not report."""
    outcome = Cancelled(call.step_id, reason, monotonic() - began, sent(call), call.model)
    on_outcome(call, outcome)
    return outcome


def sent(call: Call) -> Usage:
    """An estimate of what a call sent, for one whose provider never reported."""
    characters = sum(len(message.text) for message in call.request.messages)
    return Usage(input_tokens=-(-characters // CHARACTERS_PER_TOKEN), estimated=True)
