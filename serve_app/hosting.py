"""What the doors are given, as protocols: virtual models that answer, a journal to read, and limits.

The doors (`serve_app.protocols`, `serve_app.api`) talk to these and to nothing else behind them, so they run
under any ASGI server, with or without Ray. `serve_app.gateway` brings the real ones.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.journal.store import Recorded, RunQuery
from actors.offers import Key, Published
from workflows.answer import AnswerEvent, RunRequest
from workflows.events import Event
from workflows.publications import History, Publication
from workflows.replay import RunSummary
from workflows.spec import WorkflowSpec


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A virtual model as it is listed.

    Attributes:
        name: the model name that clients call.
        description: of its workflow.
        created: Unix time in seconds since which this version answers.
        version: the number of its publication; 0 when it was not recorded.
        hash: of its workflow.
    """

    name: str
    description: str
    created: int
    version: int = 0
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for every HTTP exchange.

    Attributes:
        max_body_bytes: larger request bodies are refused with 413; room for a few images in base64.
        commit_after: seconds for which a stream waits for its first piece before it commits itself to 200
            with the opening piece, so that an early failure still has a status of its own. Under a second:
            clients want headers by then.
        commit_whole_after: seconds after which an unstreamed answer commits itself to 200 and is kept alive by
            white space; until then a failure has a status of its own.
        keepalive: seconds of silence after which a response says that it is alive.
        progress: whether streams tell how a panel is doing, when their request says nothing about it.
        connection_lifetime: seconds after which a WebSocket takes no new requests and is closed; OpenAI's own hour.
    """

    max_body_bytes: int = 32 * 1024 * 1024
    commit_after: float = 0.5
    commit_whole_after: float = 15.0
    keepalive: float = 10.0
    progress: bool = True
    connection_lifetime: float = 3600.0


class Host(Protocol):
    """Whoever runs the virtual models."""

    def names(self) -> tuple[PublishedModel, ...]:
        """Every published virtual model, in the order in which they are listed."""
        ...

    def workflow(self, name: str) -> WorkflowSpec:
        """The active workflow under that name; raises `UnknownVirtualModel`. Fast: asked on every request."""
        ...

    def answer(self, run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Run it, as `workflows.answer` describes the stream.

        Raises `UnknownVirtualModel` before the first event. Cancelling or closing the iterator cancels the
        run, down to the upstream call, unless it is `kept`: then it goes on. The client may be gone once it has the last event: nothing that must
        happen may come after it.
        """
        ...

    async def keep(self, run: RunRequest) -> None:
        """Have a run that is `kept` driven on its own; return when it is safe.

        Raises:
            IdempotencyConflict: there is a run of that id which was asked something else.
        """

    def follow(self, run_id: str) -> AsyncGenerator[AnswerEvent, None]:
        """Everything that a kept run says, from its beginning on; leaving it changes nothing."""
        ...

    async def stop(self, run_id: str) -> None:
        """Stop a kept run, down to the upstream calls; one that is over stays as it is."""


class Publishing(Protocol):
    """Whoever decides which version answers to which name. Every method may raise `ClusterError`."""

    async def histories(self, name: str | None = None) -> tuple[History, ...]:
        """What was published under every name, or under that one; nothing for a name that never was."""
        ...

    async def draining(self) -> tuple[Key, ...]:
        """Versions that answer no new runs and still have some."""
        ...

    async def publish(self, draft: Publication, *, probe: bool) -> Published:
        """Have a workflow answer under its name; raises `ProbeFailed` and `PublishFailed`."""
        ...

    async def rollback(self, name: str, number: int | None, who: str) -> Published:
        """Have that version answer again, or the one before; raises `PublicationNotFound`, `PublishFailed`."""
        ...

    async def unpublish(self, name: str, who: str) -> bool:
        """Have the name answer no more; whether it did before."""
        ...


class Records(Protocol):
    """The journal, as far as the doors need it. Every method may raise `JournalUnavailable`."""

    async def runs(self, query: RunQuery) -> tuple[RunSummary, ...]:
        """The runs that match, newest first."""
        ...

    async def events(self, run_id: str) -> tuple[Event, ...]:
        """Everything that is known of a run, oldest first; nothing for an unknown run."""
        ...

    async def summary(self, run_id: str) -> RunSummary | None:
        """One run's line in the list; None for an unknown run."""

    async def retake(
        self, fingerprint: str, virtual_model: str, since: float
    ) -> tuple[RunSummary | None, bool]:
        """The latest run since then that was asked the same, and whether it is the caller's now, to be gone on with.

        It is, once, when it ended without an answer.
        """
        ...

    async def append(self, events: Sequence[Event]) -> None:
        """Record something about a run; return when it is safe."""
        ...

    async def tail(self, run_id: str, after: int, within: float) -> tuple[Recorded, ...]:
        """The run's events behind the place `after`; waits for one up to `within` seconds."""
        ...
