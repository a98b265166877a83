"""``/api/runs``: the journal over HTTP: which runs there are, one run as it stands, and what happens in it, live."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from actors.journal.store import RunQuery
from serve_app.api.shapes import RunList, RunShown
from serve_app.bodies import Json, compact
from serve_app.errors import fault_of, openai_envelope
from serve_app.hosting import Limits, Records
from serve_app.sse import EventStream, frame
from serve_app.trace_links import trace_url
from workflows.errors import RunNotFound
from workflows.events import ENDINGS, Event, event_adapter
from workflows.replay import RunStatus, RunSummary, run_view, to_json

POLL_SECONDS = 30.0
"""How long one question for newer events waits in the journal; signs of life do not depend on it."""
PATIENCE_SECONDS = 1.0
"""How long a run may be unknown: its id reaches the client a moment before its first event is stored."""


def api_runs_router(records: Records, limits: Limits, jaeger_url: str = "") -> APIRouter:
    """The routes in front of the journal."""
    router = APIRouter(tags=["Stellarator"], prefix="/api/runs")

    @router.get("", response_model=None, responses={200: {"model": RunList}})
    async def list_runs(
        virtual_model: str | None = None,
        status: RunStatus | None = None,
        since: float | None = None,
        before: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Response:
        """Runs, newest first: of one virtual model, with one status, since a Unix time, before a run's id."""
        query = RunQuery(virtual_model=virtual_model, status=status, since=since, before=before, limit=limit)
        return Json({"runs": [_line(summary, jaeger_url) for summary in await records.runs(query)]})

    @router.get("/{run_id}", response_model=None, responses={200: {"model": RunShown}})
    async def show_run(run_id: str) -> Response:
        """One run as it stands: the answer, what it took, and every step with its output."""
        events = await records.events(run_id)
        if not events:
            raise RunNotFound(run_id)
        view = run_view(events)
        return Json({**to_json(view), "trace_url": trace_url(jaeger_url, view.trace_id)})

    @router.get(
        "/{run_id}/events",
        response_model=None,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def follow_run(
        run_id: str,
        request: Request,
        after: Annotated[int, Query(ge=0)] = 0,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> Response:
        """The run's events as they are stored, as server-sent events; ends when the run has ended.

        Each has its place in the journal as its id. A reader that comes back goes on behind the id that it
        names in `Last-Event-ID` or `after`.
        """
        over = await _is_over(records, run_id)
        place = after if last_event_id is None else last_event_id
        return EventStream(
            _frames(records, run_id, place, over=over),
            limits=limits,
            failure=lambda error: _error_frame(error, request.state.request_id),
        )

    return router


async def _is_over(records: Records, run_id: str) -> bool:
    """Whether the run has ended. Raises `RunNotFound` when it stays unknown."""
    events = await records.events(run_id)
    if not events:
        events = tuple(item.event for item in await records.tail(run_id, 0, PATIENCE_SECONDS))
    if not events:
        raise RunNotFound(run_id)
    return any(map(_is_ending, events))


async def _frames(records: Records, run_id: str, place: int, *, over: bool) -> AsyncGenerator[bytes, None]:
    """Everything behind `place`. Once the run is over, what is stored already is all there is to wait for."""
    newer = True
    while newer or not over:
        recorded = await records.tail(run_id, place, 0.0 if over else POLL_SECONDS)
        for item in recorded:
            yield frame(compact(event_adapter.dump_python(item.event, mode="json")), event_id=str(item.seq))
            place = item.seq
        newer = bool(recorded)
        over = over or any(_is_ending(item.event) for item in recorded)


def _is_ending(event: Event) -> bool:
    return isinstance(event, ENDINGS)


def _error_frame(error: Exception, request_id: str) -> bytes:
    return frame(compact(openai_envelope(fault_of(error, request_id))), event="error")


def _line(summary: RunSummary, jaeger_url: str) -> dict[str, Any]:
    known = {**asdict(summary), "seconds": summary.seconds}
    return {**known, "trace_url": trace_url(jaeger_url, summary.trace_id)}
