"""The keeper: an async actor that drives runs which outlive their request.

A run is kept when its client asked for it: in the background, or under an idempotency key. Its request and its workflow
are in the journal before the client hears its id. It is driven here and not where the client is connected, so that client
and replica may go; when this process dies, its next life finds in the journal what it was driving and goes on, and
a new session takes over what a dead one left. Readers attach to what was said so far and hear the rest.

Undecorated: `actors.runs` makes it a Ray actor with the numbers of `cluster.roles`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from contextvars import Context
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from actors import spans
from actors.conversation import Conversations, Credits, History, Leaving, Panels
from actors.kept import AnswerLog
from actors.models.factory import ModelFactory
from actors.recorder import Recorder, run_started
from actors.turnstile import Turnstile
from actors.voices import Voices
from cluster import observability
from workflows.answer import AnswerEvent, AnswerFailed, RunRequest
from workflows.errors import Failure, IdempotencyConflict, RunLost, RunNotDriven, StellaratorError
from workflows.events import Event, RunStarted
from workflows.loading import content_hash
from workflows.replay import summary_of
from workflows.resume import Earlier, earlier_lives
from workflows.spec import WorkflowSpec

log = logging.getLogger(__name__)

REMEMBER_SECONDS = 600.0
"""How long the answer of a run that is over is kept here as it was said; the journal has its text."""
CLAIM_SECONDS = 30.0
"""How often it looks for runs that nobody drives any more."""
CLAIMED_AT_ONCE = 100
MOST_LIVES = 10
"""A run that has died so often with its process may be what kills it."""


class KeptRecords(History, Protocol):
    """The journal as the keeper needs it."""

    def beat(self) -> None:
        """Begin to say that this driver lives."""

    async def events(self, run_id: str) -> tuple[Event, ...]:
        """Everything that is known of a run."""

    async def claim(self, *, own: bool, limit: int) -> tuple[str, ...]:
        """Get kept runs that nobody drives any more."""

    async def flush(self) -> None:
        """Return when everything said so far is committed."""

    async def reopen(self, run_id: str) -> bool:
        """Get a kept run that ended without an answer."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a keeper works with."""

    journal: KeptRecords
    panels: Panels
    crediting: Credits
    models: ModelFactory
    turnstile: Turnstile


@dataclass(frozen=True, slots=True)
class _Driven:
    """A run that is driven here, or was."""

    log: AnswerLog
    leaving: Leaving
    task: asyncio.Task[None]
    fingerprint: str


class Keeper:
    """Drives kept runs."""

    def __init__(self, connect: Callable[[], Parts]) -> None:
        observability.setup("keeper")
        self._parts = connect()
        self._runs: dict[str, _Driven] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._homes: dict[tuple[str, int], Conversations] = {}
        # In an empty context: nothing that goes on here belongs to the call that happens to come first.
        loop = asyncio.get_running_loop()
        self._first_claim = loop.create_task(self._claim(own=True), context=Context())
        self._claiming = loop.create_task(self._claim_on(), context=Context())

    async def keep(self, run: RunRequest, workflow: WorkflowSpec, version: int = 0) -> None:
        """Drive a run on that version of a workflow; return when its request is safe.

        One that is driven already is left as it is, and so is one that is answered. One that ended without an answer is gone
        on with, unless it would end in the same way.

        Raises:
            IdempotencyConflict: the run was asked something else.
            JournalUnavailable: it cannot be recorded.
        """
        await asyncio.wait([self._first_claim])
        async with self._turns.setdefault(run.run_id, asyncio.Lock()):
            driven = self._runs.get(run.run_id)
            if driven is not None and not driven.task.done():
                _require_same(driven.fingerprint, run)
            else:
                await self._begin(run, workflow, version)
        self._turns.pop(run.run_id, None)

    async def attach(self, run_id: str, after: int) -> AsyncGenerator[list[AnswerEvent], None]:
        """Everything that a run says behind its first `after` events, in batches, to its end.

        Raises:
            RunNotDriven: it is not driven here, and was not lately.
        """
        await asyncio.wait([self._first_claim])
        driven = self._runs.get(run_id)
        if driven is None:
            raise RunNotDriven(run_id)
        async with aclosing(driven.log.read(after)) as batches:
            async for batch in batches:
                yield batch

    async def cancel(self, run_id: str) -> None:
        """Stop a run, down to the upstream sockets; return when that is recorded. One that is over stays as it is."""
        await asyncio.wait([self._first_claim])
        driven = self._runs.get(run_id)
        if driven is not None and not driven.task.done():
            driven.task.cancel()
            await asyncio.wait([driven.task])
            await self._parts.journal.flush()

    async def running(self) -> int:
        """How many runs are under way here."""
        return sum(not driven.task.done() for driven in self._runs.values())

    async def close(self) -> None:
        """Stop driving; whoever comes after goes on."""
        self._claiming.cancel()
        under_way = [driven for driven in self._runs.values() if not driven.task.done()]
        for driven in under_way:
            driven.leaving.reason = ""
            driven.task.cancel()
        await asyncio.gather(self._claiming, *(driven.task for driven in under_way), return_exceptions=True)
        await self._parts.models.aclose()
        await asyncio.to_thread(observability.flush)

    async def _begin(self, run: RunRequest, workflow: WorkflowSpec, version: int) -> None:
        journal = self._parts.journal
        events = await journal.events(run.run_id)
        if not events:
            home = self._home(workflow, version)
            told = workflow.model_dump(mode="json", exclude_defaults=True)
            trace_id, driver = spans.trace_id_in(run.traceparent), journal.driver
            await journal.append(
                [run_started(run, home.hash, version, trace_id=trace_id, driver=driver, workflow=told)]
            )
            self._drive(run, home, Earlier())
            return
        known = summary_of(events)
        _require_same(known.fingerprint, run)
        if known.error is not None and not known.error.retryable:
            return
        if await journal.reopen(run.run_id):
            await self._resume(run.run_id)

    async def _claim_on(self) -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS)
            self._forget_old()
            with suppress(StellaratorError):
                await self._claim(own=False)

    async def _claim(self, *, own: bool) -> None:
        """Go on with runs that nobody drives any more."""
        journal = self._parts.journal
        journal.beat()
        while run_ids := await journal.claim(own=own, limit=CLAIMED_AT_ONCE):
            # What was claimed is this driver's own now, and must not be claimed again.
            own = False
            for run_id in run_ids:
                try:
                    await self._resume(run_id)
                except StellaratorError as error:
                    log.error("%s cannot be gone on with: %s", run_id, error)  # noqa: TRY400  # ours, without contents

    async def _resume(self, run_id: str) -> None:
        events = await self._parts.journal.events(run_id)
        start = next(event for event in events if isinstance(event, RunStarted))
        earlier = earlier_lives(events)
        if failure := _hopeless(start, earlier):
            Recorder(self._parts.journal, run_id, life=earlier.lives + 1).run_failed(failure)
            return
        workflow = WorkflowSpec.model_validate(start.workflow)
        self._drive(_request(start), self._home(workflow, start.workflow_version), earlier)

    def _home(self, workflow: WorkflowSpec, version: int) -> Conversations:
        """Whoever answers runs of that workflow, as it is in this very version."""
        key = (content_hash(workflow), version)
        if key not in self._homes:
            parts = self._parts
            self._homes[key] = Conversations(
                workflow,
                Voices(workflow, parts.models, parts.turnstile),
                parts.panels,
                parts.crediting,
                parts.journal,
                version=version,
            )
        return self._homes[key]

    def _drive(self, run: RunRequest, home: Conversations, earlier: Earlier) -> None:
        answer, leaving = AnswerLog(), Leaving()
        loop = asyncio.get_running_loop()
        task = loop.create_task(_told(home, run, earlier, leaving, answer), context=Context())
        self._runs[run.run_id] = _Driven(answer, leaving, task, run.fingerprint)
        self._parts.journal.beat()

    def _forget_old(self) -> None:
        before = monotonic() - REMEMBER_SECONDS
        for run_id, driven in list(self._runs.items()):
            if driven.log.ended_at is not None and driven.log.ended_at < before:
                del self._runs[run_id]


async def _told(
    home: Conversations, run: RunRequest, earlier: Earlier, leaving: Leaving, answer: AnswerLog
) -> None:
    """Drive a run to its end and say everything into its log."""
    try:
        async with aclosing(home.answer(run, earlier, leaving)) as events:
            async for event in events:
                answer.add(event)
    except asyncio.CancelledError:
        reason = "The run was cancelled." if leaving.reason else "The server is stopping; the run will go on."
        answer.add(AnswerFailed(failure=Failure("cancelled", reason, retryable=not leaving.reason)))
        raise
    finally:
        answer.end()


def _require_same(fingerprint: str, run: RunRequest) -> None:
    """Refuse a run that asks something else under the same id; a journal without contents cannot tell."""
    if fingerprint and fingerprint != run.fingerprint:
        raise IdempotencyConflict


def _request(start: RunStarted) -> RunRequest:
    """The request that a run began with."""
    return RunRequest(
        run_id=start.run_id,
        virtual_model=start.virtual_model,
        protocol=start.protocol,
        request=start.request,
        stream=start.stream,
        panel=start.panel,
        panel_tool=start.panel_tool,
        depth=start.depth,
        progress=start.progress,
        door=start.door,
        dropped=start.dropped,
        kept=True,
        fingerprint=start.fingerprint,
    )


def _hopeless(start: RunStarted, earlier: Earlier) -> Failure | None:
    """Why a run cannot be gone on with; None when it can."""
    if earlier.lives >= MOST_LIVES:
        return RunLost(f"its process died {earlier.lives} times").failure()
    if not start.workflow:
        return RunLost("the journal keeps no contents").failure()
    return None
