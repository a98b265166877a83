"""Drive one run where the client is answered: perform the steps that `workflows.fusion.converse` yields.

The main LLM is streamed by this very process, so that no token crosses Ray; a call of a mounted tool goes to a
coordinator. Closing the iterator, or cancelling whoever reads it, stops everything down to the upstream sockets.

A run that has had a life before begins again: turns and tools that are finished are told from the journal, and what
follows them is done.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import monotonic, time
from typing import Protocol

from actors import spans
from actors.models.pricing import facts
from actors.orders import PanelOrder
from actors.panel_run import broken, unknown
from actors.perform import Hearing, failure_of, listen
from actors.recall import Endings, Recall
from actors.recorder import Journal, Recorder
from actors.run_log import RunLog
from actors.run_metrics import RunMeter
from actors.telling import said_during
from actors.voices import Voices
from actors.watched import Watched
from cluster import logs, metrics
from workflows.answer import AnswerEvent, AnswerFailed, AnswerFinished, AnswerStarted, Progress, RunRequest
from workflows.attempts import first_attempt, next_attempt
from workflows.errors import Failure, Overloaded, StellaratorError
from workflows.events import Event
from workflows.flow import (
    Answered,
    Call,
    Cancelled,
    Failed,
    FanOut,
    Outcome,
    Reckon,
    Returned,
    RunSoFar,
    ToolOutcome,
    ToolUse,
    UseTools,
    advance,
)
from workflows.fusion import MAIN, Answer, converse, mounted_tools
from workflows.loading import content_hash
from workflows.messages import Delta, Usage
from workflows.policy import Spending
from workflows.relay import Relay, retold
from workflows.resume import Earlier, earlier_lives
from workflows.spec import WorkflowSpec
from workflows.splicing import HiddenTurns
from workflows.tariff import Tariff


class Panels(Protocol):
    """Where mounted tools are carried out."""

    async def convene(self, order: PanelOrder) -> ToolOutcome:
        """Carry out one tool call; cancelling the caller cancels it. Raises only errors of our tree."""

    def follow(self, run_id: str, step_id: str) -> AsyncGenerator[str, None]:
        """How a tool call that `is_told` is doing, line by line; ends with it."""
        ...


class History(Journal, Endings, Protocol):
    """A journal that also knows how earlier runs finished, and by which name this process drives its runs."""

    driver: str

    async def events(self, run_id: str) -> tuple[Event, ...]:
        """Everything that is known of a run."""


class Credits(Protocol):
    """Where it is worked out what each branch contributed."""

    def credit(self, run_id: str, traceparent: str) -> None:
        """Have a finished run credited, off the hot path; return at once. `traceparent` is the run's span."""
        ...


@dataclass(slots=True)
class Totals:
    """What a run has used so far; the cost is None once any price is unknown."""

    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = 0.0

    @property
    def spent(self) -> Spending:
        """Tokens and cost."""
        return Spending(self.usage.input_tokens + self.usage.output_tokens, self.cost_usd)

    def add(self, usage: Usage, cost_usd: float | None) -> None:
        """Count one more call."""
        self.usage += usage
        self.cost_usd = None if self.cost_usd is None or cost_usd is None else self.cost_usd + cost_usd


@dataclass(slots=True)
class Leaving:
    """Why a run is given up, for whoever records that; empty: it is not, another process will go on with it."""

    reason: str = "client"


class Conversations:
    """Answers runs of one workflow. `version` is its publication's number; 0 when it was not recorded."""

    def __init__(
        self,
        spec: WorkflowSpec,
        voices: Voices,
        panels: Panels,
        crediting: Credits,
        journal: History,
        *,
        version: int = 0,
    ) -> None:
        self.spec = spec
        self.version = version
        self.facts = facts(spec)
        self.tariff = Tariff(spec.models, self.facts)
        self.hash = content_hash(spec)
        self.voices = voices
        self.panels = panels
        self.crediting = crediting
        self.journal = journal
        self.recall = Recall(journal)
        self.active = 0

    async def answer(
        self, run: RunRequest, earlier: Earlier | None = None, leaving: Leaving | None = None
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Answer one request: `AnswerStarted`, deltas, then `AnswerFinished` or `AnswerFailed`.

        Args:
            run: the request.
            earlier: what its lives before this one left.
            leaving: why whoever drives it stops, if it is stopped; without it, because the client left.
        """
        if earlier is None:
            earlier = earlier_lives(await self.journal.events(run.run_id)) if run.resumed else Earlier()
        conversation = Conversation(self, run, earlier, leaving or Leaving())
        self.active += 1
        try:
            async with aclosing(conversation.events()) as events:
                async for event in events:
                    yield event
        finally:
            self.active -= 1


class Conversation:
    """One run being answered."""

    def __init__(self, home: Conversations, run: RunRequest, earlier: Earlier, leaving: Leaving) -> None:
        self._home = home
        self._run = run
        self._earlier = earlier
        self._leaving = leaving
        self._life = earlier.lives + 1
        meter, lines = RunMeter(home.spec, metrics.record), RunLog(home.spec.name)
        watched = Watched(home.journal, meter.see, lines.see)
        self._recorder = Recorder(watched, run.run_id, home.tariff, self._life)
        mounted = frozenset(mounted_tools(home.spec, run))
        self._relay = Relay(run.run_id, mounted, parallel=run.request.parallel_tool_calls is not False)
        self._totals = Totals()
        self._began = monotonic()
        self._open: Hearing | None = None
        self._outcome: Outcome
        self._over = False
        self._first_seconds: float | None = None
        self._span = spans.workflow(home.spec, run, earlier)

    async def events(self) -> AsyncGenerator[AnswerEvent, None]:
        """Everything that the client may see."""
        logs.about(run_id=self._run.run_id, traceparent=spans.carrier(self._span))
        if self._life == 1 and not self._run.kept:
            trace_id, version = spans.trace_id(self._span), self._home.version
            driver = self._home.journal.driver
            self._recorder.run_started(self._run, self._home.hash, version, trace_id, driver)
        self._recorder.group_started(MAIN, "main", "main", self._home.spec.main.model)
        try:
            yield AnswerStarted(run_id=self._run.run_id, model=self._run.virtual_model, created=int(time()))
            async with aclosing(self._drive()) as deltas:
                async for delta in deltas:
                    if self._first_seconds is None:
                        self._first_seconds = monotonic() - self._began
                    yield delta
        except (GeneratorExit, asyncio.CancelledError):
            if not self._over and self._leaving.reason:
                self._abandoned(self._leaving.reason)
            raise
        except Exception as error:  # noqa: BLE001  # a bug must not leave client and run without an end
            yield self._failed(failure_of(error))

    async def _drive(self) -> AsyncGenerator[AnswerEvent, None]:
        remembered = await self._home.recall.of(self._run.request)
        flow = converse(self._home.spec, self._run, self._home.facts, remembered)
        step = advance(flow)
        while not isinstance(step, Returned):
            match step:
                case UseTools(uses):
                    await self._recorder.flush()  # what coordinators record is never there without it
                    working = asyncio.ensure_future(self._use_all(uses))
                    async with aclosing(said_during(working, self._stories(uses))) as lines:
                        async for line in lines:
                            yield Progress(line)
                    step = advance(flow, working.result())
                case Call():
                    await self._recorder.safe()
                    async with aclosing(self._turn(step)) as turn:
                        async for delta in turn:
                            yield delta
                    step = advance(flow, self._outcome)
                case Reckon():
                    step = advance(flow, RunSoFar(self._totals.spent, self._seconds))
                case FanOut():
                    raise AssertionError("the main LLM fans nothing out; its tools do")
        yield await self._ending(step.value)

    async def _turn(self, call: Call) -> AsyncGenerator[Delta, None]:
        """Stream one turn of the main LLM through the relay; leaves its outcome in `_outcome`.

        Another attempt is made only while the client has seen nothing of the failed one. A turn that an earlier life
        finished is told again.
        """
        known = self._earlier.known(call.step_id)
        for tried in known.tried:
            self._totals.add(tried.usage, self._home.tariff.cost(tried.model, tried.usage))
        if recorded := self._earlier.answered(call):
            for delta in self._told(recorded):
                yield delta
            return
        if known.under_way:
            self._recorder.attempt_ended(call, f"{self._life}.unknown", unknown(call))
        self._recorder.call_started(call)
        spec = self._home.spec
        models, retry = (call.model, *spec.models[call.model].fallbacks), spec.retry.policy()
        attempt, failures = first_attempt(models), list[Failure]()
        while True:
            seen = False
            async with aclosing(self._attempt(call, attempt.model, attempt.number)) as deltas:
                async for delta in deltas:
                    seen = True
                    yield delta
            if seen or not isinstance(self._outcome, Failed):
                break
            failures.append(self._outcome.failure)
            following = next_attempt(models, retry, attempt, failures, random.random())  # noqa: S311  # jitter
            if following is None:
                break
            self._recorder.attempt_ended(call, str(attempt.number), self._outcome)
            failures = failures if following.model == attempt.model else []
            attempt = following
            await asyncio.sleep(attempt.pause)
        self._recorder.call_ended(self._outcome)

    def _told(self, recorded: Answered) -> Iterator[Delta]:
        """What the client sees of a turn that is over; leaves its outcome in `_outcome`."""
        self._relay.begin_turn()
        for item in retold(recorded.completion):
            yield from self._relay.feed(item)
        self._outcome = recorded
        self._totals.add(recorded.completion.usage, recorded.completion.cost_usd)

    async def _attempt(self, call: Call, alias: str, number: int) -> AsyncGenerator[Delta, None]:
        """Stream one attempt; leaves its outcome in `_outcome`."""
        self._relay.begin_turn()
        hearing = self._open = Hearing(replace(call, model=alias))
        models = self._home.spec.models
        parent = spans.carrier(self._span)
        span = spans.turn(
            hearing.call, models[alias], number, self._run.run_id, parent, workflow_name=self._home.spec.name
        )
        try:
            async with aclosing(
                listen(self._home.voices.of(hearing.call, self._run.run_id, span), hearing)
            ) as items:
                async for item in items:
                    for delta in self._relay.feed(item):
                        yield delta
            self._outcome = hearing.answered()
            self._totals.add(self._outcome.completion.usage, self._outcome.completion.cost_usd)
        except Exception as error:  # noqa: BLE001  # also a bug in a client leaves room for a fallback
            self._outcome = hearing.failed(failure_of(error))
            self._totals.add(self._outcome.usage, self._home.tariff.cost(alias, self._outcome.usage))
        except (GeneratorExit, asyncio.CancelledError):
            spans.end(span, hearing.cancelled("client"))
            raise
        self._open = None
        spans.end(span, self._outcome)

    async def _use_all(self, uses: tuple[ToolUse, ...]) -> tuple[ToolOutcome, ...]:
        async with asyncio.TaskGroup() as together:
            tasks = [together.create_task(self._use(use)) for use in uses]
        return tuple(task.result() for task in tasks)

    @property
    def _is_told(self) -> bool:
        """Whether the client hears of panels; not behind a tool call, which its client takes for the end."""
        return self._run.progress and not self._relay.message.tool_calls

    def _stories(self, uses: tuple[ToolUse, ...]) -> list[AsyncGenerator[str, None]]:
        if not self._is_told:
            return []
        return [self._home.panels.follow(self._run.run_id, use.step_id) for use in uses]

    async def _use(self, use: ToolUse) -> ToolOutcome:
        if recorded := self._earlier.carried_out(use):
            self._totals.add(recorded.usage, recorded.cost_usd)
            return recorded
        run, spec = self._run, self._home.spec
        seed = seed_of(run.run_id, use.step_id)
        traceparent = spans.carrier(self._span)
        order = PanelOrder(
            run.run_id, use, spec, seed, traceparent, self._home.facts, self._is_told, self._life
        )
        try:
            outcome = await self._home.panels.convene(order)
        except StellaratorError as error:
            if isinstance(error, Overloaded) and self._first_seconds is None:
                raise  # the client has seen nothing yet, so that it can be told to come again
            outcome = broken(use.call.id, error.failure())
            self._recorder.step_failed(use.step_id, error.failure(), monotonic() - self._began)
        self._totals.add(outcome.usage, outcome.cost_usd)
        return outcome

    async def _ending(self, result: Answer | Failed | Cancelled) -> AnswerFinished | AnswerFailed:
        if not isinstance(result, Answer):
            return self._failed(
                result.failure if isinstance(result, Failed) else Failure("cancelled", result.reason)
            )
        message, reason = self._relay.message, result.completion.finish_reason
        if reason == "tool_calls" and not message.tool_calls:
            reason = (
                "stop"  # it called a mounted tool that it no longer had; the client has nothing to carry out
            )
        finished = AnswerFinished(
            message=message,
            finish_reason=reason,
            usage=result.usage,
            total_usage=self._totals.usage,
            cost_usd=self._totals.cost_usd,
            panel=result.panel,
            stop_sequence=result.completion.stop_sequence,
        )
        self._recorder.group_finished(MAIN, monotonic() - self._began, result.completion)
        hidden = HiddenTurns(result.turns, self._relay.given, message.text) if result.turns else None
        await self._recorder.run_finished(finished, hidden)
        if hidden is not None:
            self._home.recall.keep(self._run.run_id, hidden)
        if result.panel in {"ran", "degraded"}:
            self._home.crediting.credit(self._run.run_id, spans.carrier(self._span))
        spans.end_workflow(self._span, finished, self._first_seconds)
        self._over = True
        return finished

    @property
    def _seconds(self) -> float:
        """How long the run has been driven, in all its lives."""
        return self._earlier.seconds + monotonic() - self._began

    def _failed(self, failure: Failure) -> AnswerFailed:
        """Record that there is no answer."""
        self._recorder.step_failed(MAIN, failure, monotonic() - self._began)
        self._recorder.run_failed(failure)
        spans.end_failed(self._span, failure)
        self._over = True
        return AnswerFailed(failure=failure)

    def _abandoned(self, reason: str) -> None:
        """Record that nobody waits for the answer any more."""
        if self._open is not None:
            turn = self._open
            self._recorder.step_cancelled(turn.call.step_id, reason, turn.seconds, turn.used())
        self._recorder.step_cancelled(MAIN, reason, monotonic() - self._began)
        self._recorder.run_cancelled(reason)
        spans.end_cancelled(self._span, reason)


def seed_of(run_id: str, step_id: str) -> int:
    """A seed that is the same whenever this step of this run is carried out."""
    return int.from_bytes(hashlib.sha256(f"{run_id}/{step_id}".encode()).digest()[:8], "big")
