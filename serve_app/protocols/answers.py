"""Reading a virtual model's answer, the same for every wire format: failures become exceptions here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from serve_app.errors import AnswerError
from workflows.answer import AnswerEvent, AnswerFailed, AnswerFinished
from workflows.errors import Failure

COST_HEADER = "x-stellarator-cost-usd"
PANEL_HEADER = "x-stellarator-panel"

_CUT_OFF = Failure("run_failed", "The answer ended before it was complete.", retryable=True)


async def succeeding(events: AsyncGenerator[AnswerEvent, None]) -> AsyncGenerator[AnswerEvent, None]:
    """The same events, up to and including `AnswerFinished`; closes `events` when it is closed.

    Raises:
        AnswerError: the answer failed, or the events ended without saying how.
    """
    finished = False
    async with aclosing(events):
        async for event in events:
            if isinstance(event, AnswerFailed):
                raise AnswerError(event.failure)
            finished = isinstance(event, AnswerFinished)
            yield event
    if not finished:
        raise AnswerError(_CUT_OFF)


async def whole(events: AsyncGenerator[AnswerEvent, None]) -> AnswerFinished:
    """Wait for the complete answer. Raises as `succeeding` does."""
    finished: AnswerFinished | None = None
    async with aclosing(succeeding(events)) as answer:
        async for event in answer:
            if isinstance(event, AnswerFinished):
                finished = event
    if finished is None:
        raise AnswerError(_CUT_OFF)
    return finished


def answer_headers(finished: AnswerFinished) -> dict[str, str]:
    """What became of the panel and what the run cost, for the response's headers; no cost when it is unknown."""
    headers: dict[str, str] = {PANEL_HEADER: finished.panel}
    if finished.cost_usd is not None:
        headers[COST_HEADER] = f"{finished.cost_usd:.6f}"
    return headers
