"""Make one LLM call and turn whatever happens into an outcome.

Everything ends as a value: an answer, a failure (an upstream's error, a timeout) or a cancellation with an
estimate of what was used. Only the caller decides what to do about it.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic

from actors import spans
from actors.collect import CHARACTERS_PER_TOKEN, sent
from actors.flights import Stopped
from actors.models.base import ChatModel
from actors.orders import CallOrder
from cluster import logs
from workflows.errors import Failure, StellaratorError, UpstreamMalformed, UpstreamTimeout
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome
from workflows.messages import Completion, ReasoningDelta, StreamItem, TextDelta, Usage

log = logging.getLogger(__name__)


class Hearing:
    """What has been heard of one call so far."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.began = monotonic()
        self.first_token_seconds: float | None = None
        self.completion: Completion | None = None
        self._characters = 0

    @property
    def seconds(self) -> float:
        """Seconds since the call began."""
        return monotonic() - self.began

    def take(self, item: StreamItem) -> None:
        """Note one item of the stream."""
        if self.first_token_seconds is None:
            self.first_token_seconds = self.seconds
        match item:
            case Completion():
                self.completion = item
            case TextDelta(text) | ReasoningDelta(text):
                self._characters += len(text)
            case _:
                self._characters += len(item.arguments)

    def used(self) -> Usage:
        """An estimate of the tokens of a call that did not end by itself."""
        return sent(self.call) + Usage(
            output_tokens=-(-self._characters // CHARACTERS_PER_TOKEN), estimated=True
        )

    def answered(self) -> Answered:
        """The outcome of a stream that ended; a stream without an end is malformed."""
        if self.completion is None:
            raise UpstreamMalformed(self.call.model, "the answer's stream ended without an end")
        return Answered(
            self.call.step_id, self.completion, self.seconds, self.first_token_seconds, self.call.model
        )

    def failed(self, failure: Failure) -> Failed:
        """The outcome of a call that failed; what it may have cost is estimated once it had begun to answer."""
        used = self.used() if self._characters else Usage()
        return Failed(self.call.step_id, failure, self.seconds, used, self.call.model)

    def cancelled(self, reason: str) -> Cancelled:
        """The outcome of a call that was stopped."""
        return Cancelled(self.call.step_id, reason, self.seconds, self.used(), self.call.model)


async def listen(model: ChatModel, hearing: Hearing) -> AsyncGenerator[StreamItem, None]:
    """Stream one call, noting what is heard; however the listener leaves, the upstream socket is closed."""
    async with aclosing(model.stream(hearing.call.request)) as stream:
        async for item in stream:
            hearing.take(item)
            yield item


async def perform(model: ChatModel, order: CallOrder, stopped: Stopped) -> Outcome:
    """Make the call to its end, within its timeout, and return its outcome; never raises."""
    call = order.call
    hearing = Hearing(call)
    span = spans.attempt(order)
    logs.about(run_id=order.run_id, step_id=call.step_id, traceparent=spans.carrier(span))
    try:
        async with asyncio.timeout(call.timeout):
            async with aclosing(listen(model, hearing)) as items:
                async for _ in items:
                    pass
        outcome: Outcome = hearing.answered()
    except asyncio.CancelledError:
        outcome = hearing.cancelled(stopped.reason)
    except TimeoutError:
        late = UpstreamTimeout(call.model, f"no complete answer within {call.timeout:g} s")
        outcome = hearing.failed(late.failure())
    except StellaratorError as error:
        outcome = hearing.failed(error.failure())
    except Exception as error:  # noqa: BLE001  # a bug in one call must not take the panel with it
        outcome = hearing.failed(failure_of(error))
    spans.end(span, outcome)
    return outcome


def failure_of(error: Exception) -> Failure:
    """What to say of an error: ours as it is; a bug by its type only, and its place in the log.

    Neither message nor traceback of a foreign error is shown or logged: they may quote a prompt.
    """
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, StellaratorError):
        return error.failure()
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("%s in %s, line %s", type(error).__name__, place.filename, place.lineno)
    return Failure("internal_error", f"internal error ({type(error).__name__})")
