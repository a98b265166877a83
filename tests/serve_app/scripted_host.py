"""A `Host` whose virtual models answer by script, and an ASGI server on a free loopback port for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from actors.journal.store import Recorded, RunQuery
from serve_app.hosting import PublishedModel
from workflows.answer import AnswerEvent, AnswerFinished, AnswerStarted, RunRequest
from workflows.errors import UnknownVirtualModel
from workflows.events import Event
from workflows.messages import Delta, Message, Reasoning, ReasoningDelta, Text, TextDelta, ToolCall, Usage
from workflows.replay import RunSummary, summary_of
from workflows.spec import WorkflowSpec

KEY = "sk-test-0123456789"
MODEL = "fusion-review"
CREATED = 1_790_000_000

Script = Callable[[RunRequest], AsyncGenerator[AnswerEvent, None]]

SPEC = WorkflowSpec.model_validate(
    {
        "version": 1,
        "name": MODEL,
        "description": "A panel.",
        "models": {
            "main": {"model": "openai/gpt-5.5", "headers": {"x-secret": "hush"}},
            "critic": {
                "model": "m",
                "base_url": "http://user:hush@127.0.0.1:9/v1",
                "api_key_env": "HUSH_KEY",
                "extra": {"token": "hush"},
            },
        },
        "main": {"model": "main", "system": "hush", "tools": ["problem_review"]},
        "tools": {
            "problem_review": {
                "mode": "fusion",
                "description": "Reviews.",
                "branches": [{"name": "risks", "model": "critic", "prompt": "hush {{ task }}"}],
                "synthesis": {"model": "critic"},
            }
        },
    }
)

USAGE = Usage(input_tokens=11, output_tokens=7, cached_input_tokens=3, reasoning_tokens=2)
TOTAL = Usage(input_tokens=110, output_tokens=70)


def finished(
    text: str = "", *calls: ToolCall, reasoning: str = "", cost_usd: float | None = 0.0125
) -> AnswerFinished:
    """The end of an answer that consists of these parts."""
    thought = (Reasoning(reasoning),) if reasoning else ()
    said = (Text(text),) if text else ()
    return AnswerFinished(
        message=Message("assistant", (*thought, *said, *calls)),
        finish_reason="tool_calls" if calls else "stop",
        usage=USAGE,
        total_usage=TOTAL,
        cost_usd=cost_usd,
        panel="ran",
    )


def started(run: RunRequest) -> AnswerStarted:
    """The first event of every answer."""
    return AnswerStarted(run_id=run.run_id, model=run.virtual_model, created=CREATED)


def says(*texts: str, reasoning: str = "") -> Script:
    """A script that streams these texts."""
    thoughts: tuple[Delta, ...] = (ReasoningDelta(reasoning),) if reasoning else ()
    return plays(*thoughts, *map(TextDelta, texts), finished("".join(texts), reasoning=reasoning))


def plays(*events: AnswerEvent) -> Script:
    """A script that answers with `AnswerStarted` and these events."""

    async def script(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        yield started(run)
        for event in events:
            yield event

    return script


class ScriptedHost:
    """Answers every run by its script and remembers the runs.

    `asked` is set with the first run, `closed` when an answer is given up before its end.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.runs: list[RunRequest] = []
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    def names(self) -> tuple[PublishedModel, ...]:
        return (PublishedModel(MODEL, SPEC.description, CREATED),)

    def workflow(self, name: str) -> WorkflowSpec:
        if name != MODEL:
            raise UnknownVirtualModel(name, (MODEL,))
        return SPEC

    async def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        self.runs.append(run)
        self.asked.set()
        complete = False
        answer = self.script(run)
        try:
            async for event in answer:
                complete = isinstance(event, AnswerFinished)
                yield event
        finally:
            await answer.aclose()
            if not complete:
                self.closed.set()

    async def keep(self, run: RunRequest) -> None:
        raise NotImplementedError

    def follow(self, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
        raise NotImplementedError

    async def stop(self, run_id: str) -> None:
        raise NotImplementedError


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def serving(
    app: FastAPI | ASGIApp, ws: Literal["none", "websockets-sansio"] = "none"
) -> AsyncIterator[str]:
    """Serve `app` with uvicorn, WebSockets only when asked for; gives its address without a path."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws=ws, timeout_graceful_shutdown=2)
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.wait_for(server.listening.wait(), 10)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await task


class ScriptedRecords:
    """A `Records` over a list of events in memory; `add` wakes those who wait."""

    def __init__(self, *events: Event) -> None:
        self._events: list[Event] = list(events)
        self._more = asyncio.Condition()
        self.queries: list[RunQuery] = []

    async def add(self, *events: Event) -> None:
        async with self._more:
            self._events += events
            self._more.notify_all()

    async def append(self, events: Sequence[Event]) -> None:
        await self.add(*events)

    async def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        self.queries.append(query)
        return (summary_of(self._events),) if self._events else ()

    async def retake(
        self, fingerprint: str, virtual_model: str, since: float
    ) -> tuple[RunSummary | None, bool]:
        del fingerprint, virtual_model, since
        return None, False

    async def summary(self, run_id: str) -> RunSummary | None:
        events = await self.events(run_id)
        return summary_of(events) if events else None

    async def events(self, run_id: str) -> tuple[Event, ...]:
        return tuple(item.event for item in self._behind(run_id, 0))

    async def tail(self, run_id: str, after: int, within: float) -> tuple[Recorded, ...]:
        async with self._more:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._more.wait_for(lambda: self._behind(run_id, after))
        return self._behind(run_id, after)

    def _behind(self, run_id: str, after: int) -> tuple[Recorded, ...]:
        numbered = enumerate(self._events, start=1)
        return tuple(Recorded(n, event) for n, event in numbered if event.run_id == run_id and n > after)
