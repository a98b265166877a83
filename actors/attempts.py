"""Make a call until it is answered: retries, fallbacks and hedges around whatever makes one attempt.

To its owner this is one pending call. What fails on the way is recorded as a sub-step of it; the call itself is
its last attempt. Each attempt is a flight of its own (``step#2``), so that a restarted coordinator, which goes on
with the attempt after those on record, finds the one that is under way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from time import monotonic

from actors.collect import STOP_REPORT_SECONDS, Pending, sent
from actors.recorder import Recorder
from workflows.attempts import Attempt, attempt_after, attempt_step, hedge_model, next_attempt
from workflows.errors import StellaratorError, UpstreamTimeout
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome, Tried
from workflows.policy import Hedge, HedgeAllowance, Retry
from workflows.resume import Known

Begin = Callable[[Call], Awaitable[Pending]]
"""Has one attempt made by a lane or a task."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What may be tried for a call.

    Attributes:
        models: its alias and its fallbacks.
        retry: how often on each, and after which pause.
        hedge: when to start a second copy; None: never.
        allowance: shared by all calls of a process, bounds the share of hedged ones.
        before: what an earlier life of the driver tried.

    """

    models: tuple[str, ...]
    retry: Retry
    hedge: Hedge | None
    allowance: HedgeAllowance
    before: Known = Known()


class Attempts:
    """One call with all its attempts, as a `Pending`."""

    def __init__(self, call: Call, plan: Plan, begin: Begin, recorder: Recorder) -> None:
        self._call = call
        self._plan = plan
        self._begin = begin
        self._recorder = recorder
        self._began = monotonic()
        self._flying: dict[str, Pending] = {}
        self._tried: list[Tried] = list(plan.before.tried)
        self._stopping = asyncio.Event()
        self._reason = ""
        self._task = asyncio.ensure_future(self._run())

    async def result(self) -> Outcome:
        """The outcome of the last attempt, under the call's own name."""
        return await asyncio.shield(self._task)

    def stop(self, reason: str) -> None:
        """Stop whatever is under way, and begin nothing more."""
        self._reason = reason
        self._stopping.set()
        for pending in self._flying.values():
            pending.stop(reason)

    def cancel(self) -> None:
        """Give the call up."""
        self._task.cancel()
        for pending in self._flying.values():
            pending.cancel()

    async def _run(self) -> Outcome:
        attempt, failures = attempt_after(self._plan.models, self._plan.retry, self._plan.before.failures)
        while True:
            began = monotonic()
            outcome = await self._hedged(attempt)
            if not isinstance(outcome, Failed) or self._stopping.is_set():
                return self._named(outcome)
            failures.append(outcome.failure)
            following = next_attempt(
                self._plan.models,
                self._plan.retry,
                attempt,
                failures,
                random.random(),  # noqa: S311  # jitter
            )
            if following is None or not await self._pause(following.pause):
                return self._named(outcome)
            outcome = replace(outcome, seconds=monotonic() - began)
            self._note(str(attempt.number), outcome)
            if following.model != attempt.model:
                failures = []
            attempt = following

    async def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt; False when the call was stopped or its time is up meanwhile."""
        left = self._left()
        if left is not None and seconds >= left:
            return False
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return True
        return False

    async def _hedged(self, attempt: Attempt) -> Outcome:
        """One attempt, and a second copy of it when it is slow and the share allows; the first answer wins."""
        hedge = self._plan.hedge
        if hedge is None:
            return await self._once(attempt.model, attempt.number)
        self._plan.allowance.earn(hedge)
        first = asyncio.ensure_future(self._once(attempt.model, attempt.number))
        try:
            done, _ = await asyncio.wait([first], timeout=hedge.after)
            if done or self._stopping.is_set() or not self._plan.allowance.spend():
                return await first
            return await self._race(attempt, first)
        finally:
            first.cancel()

    async def _race(self, attempt: Attempt, first: asyncio.Task[Outcome]) -> Outcome:
        model = hedge_model(self._plan.models, attempt)
        second = asyncio.ensure_future(self._once(model, attempt.number, hedge=True))
        racing, chosen = {first, second}, first
        try:
            while True:
                done, racing = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
                chosen = max(done, key=lambda task: isinstance(task.result(), Answered))
                if isinstance(chosen.result(), Answered) or not racing:
                    return chosen.result()
        finally:
            for task in {first, second} - {chosen}:
                await self._lose(task, attempt, hedge=task is second)

    async def _lose(self, task: asyncio.Task[Outcome], attempt: Attempt, *, hedge: bool) -> None:
        """Stop the copy that did not win, if it is still under way, and record what it used."""
        step_id = self._step(attempt.number, hedge=hedge)
        if pending := self._flying.get(step_id):
            pending.stop("hedged")
            await asyncio.wait([task], timeout=STOP_REPORT_SECONDS)
        if task.done() and not task.cancelled():
            outcome = task.result()
        else:
            task.cancel()
            model = hedge_model(self._plan.models, attempt) if hedge else attempt.model
            outcome = Cancelled(step_id, "hedged", monotonic() - self._began, sent(self._call), model)
        self._note(f"{attempt.number}.lost", outcome, hedged=True)

    def _note(self, number: str, outcome: Outcome, *, hedged: bool = False) -> None:
        """Keep account of an attempt that is not the call's last."""
        self._recorder.attempt_ended(self._call, number, outcome)
        match outcome:
            case Answered(completion=completion):
                self._tried.append(Tried(outcome.model, "hedged", completion.usage, hedged))
            case Failed(failure=failure):
                self._tried.append(Tried(outcome.model, failure.code, outcome.usage, hedged))
            case Cancelled(reason=reason):
                self._tried.append(Tried(outcome.model, reason, outcome.usage, hedged))

    async def _once(self, model: str, number: int, *, hedge: bool = False) -> Outcome:
        step_id = self._step(number, hedge=hedge)
        left = self._left()
        if left is not None and left <= 0:
            late = UpstreamTimeout(model, f"no complete answer within {self._call.timeout:g} s")
            return Failed(step_id, late.failure(), monotonic() - self._began, model=model)
        if self._stopping.is_set():
            return Cancelled(step_id, self._reason, monotonic() - self._began, model=model)
        call = replace(self._call, step_id=step_id, model=model, timeout=left)
        pending: Pending | None = None
        try:
            pending = self._flying[step_id] = await self._begin(call)
            if self._stopping.is_set():
                pending.stop(self._reason)
            return await pending.result()
        except asyncio.CancelledError:
            if pending is not None:
                pending.cancel()
            raise
        except StellaratorError as error:
            return Failed(step_id, error.failure(), monotonic() - self._began, model=model)
        finally:
            self._flying.pop(step_id, None)

    def _left(self) -> float | None:
        """Seconds that remain for this call; None when it has no bound of its own."""
        return None if self._call.timeout is None else self._call.timeout - (monotonic() - self._began)

    def _step(self, number: int, *, hedge: bool) -> str:
        return attempt_step(self._call.step_id, number, hedge=hedge)

    def _named(self, outcome: Outcome) -> Outcome:
        """The outcome as the call's own; its time counts from the first attempt."""
        seconds = monotonic() - self._began
        if isinstance(outcome, Cancelled) and self._reason:
            outcome = replace(outcome, reason=self._reason)
        return replace(
            outcome, step_id=self._call.step_id, seconds=seconds, tried=(*outcome.tried, *self._tried)
        )
