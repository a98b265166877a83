"""Calls under their provider's limits: each waits for its turn first, and says afterwards what it took.

Two forms of one thing: a model that is `Limited`, where an answer is streamed to a client; and `perform_in_turn`, where
a call is performed to its outcome. A model without `limits` knows nothing of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

from actors import spans
from actors.flights import Stopped
from actors.models.base import ChatModel
from actors.models.estimate import estimate
from actors.orders import CallOrder
from actors.perform import perform
from actors.turnstile import Claim, Permit, Turnstile
from workflows.accounts import account
from workflows.errors import RateLimited, UpstreamBusy
from workflows.flow import Answered, Cancelled, Failed, Outcome
from workflows.messages import ChatRequest, Completion, Message, StreamItem, Usage
from workflows.spec import ModelLimitsSpec, ModelSpec

ANSWER_PATIENCE_SECONDS = 10.0
"""How long the main LLM waits for its turn: not longer than an unstreamed answer keeps its status open, so that its
client can still be told by a 429 when to come back."""
SHARE_OF_TIMEOUT = 0.5
"""Of its time, that any other call waits: what is left must do for its answer."""
EXPECTED_OUTPUT = 1000
"""Tokens that an answer is taken to have until it is over, when nobody bounds it."""


class Limited:
    """A model whose calls wait for their turn. `waited` is told for how many seconds, before the call is made."""

    def __init__(
        self, inner: ChatModel, turnstile: Turnstile, claim: Claim, waited: Callable[[float], None]
    ) -> None:
        self._inner = inner
        self._turnstile = turnstile
        self._claim = claim
        self._waited = waited

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream as the model does, in its turn; raises `RateLimited` when that would not come in time."""
        permit = await self._turnstile.enter(self._claim)
        tokens: int | None = None
        try:
            self._waited(permit.waited)
            async with aclosing(self._inner.stream(request)) as items:
                async for item in items:
                    if isinstance(item, Completion):
                        tokens = _sum(item.usage)
                    yield item
        except UpstreamBusy as error:
            permit.push_back(error.retry_after)
            raise
        finally:
            permit.end(tokens)


async def perform_in_turn(
    model: ChatModel, order: CallOrder, stopped: Stopped, turnstile: Turnstile
) -> Outcome:
    """As `perform`, in the call's turn if it has to wait for one; its timeout includes the waiting."""
    if order.model.limits is None:
        return await perform(model, order, stopped)
    call, began = order.call, monotonic()
    limited = claim(order.model, order.model.limits, call.request, (order.client, order.run_id), call.timeout)
    outcome: Outcome | None = None
    try:
        permit = await turnstile.enter(limited)
    except asyncio.CancelledError:
        outcome = Cancelled(call.step_id, stopped.reason, monotonic() - began, model=call.model)
    except RateLimited as refused:
        outcome = Failed(call.step_id, refused.failure(), monotonic() - began, model=call.model)
    if outcome is not None:
        spans.end(spans.attempt(order), outcome)
        return outcome
    try:
        left = None if call.timeout is None else max(0.0, call.timeout - permit.waited)
        outcome = await perform(model, replace(order, call=replace(call, timeout=left)), stopped)
    finally:
        _ended(permit, outcome)
    return outcome


def claim(
    model: ModelSpec,
    limits: ModelLimitsSpec,
    request: ChatRequest,
    whose: tuple[str, str],
    timeout: float | None = None,
) -> Claim:
    """What a call asks for. `whose` are the client and the run; `timeout` is the time that the call has, if it is bounded."""
    usual = ANSWER_PATIENCE_SECONDS if timeout is None else timeout * SHARE_OF_TIMEOUT
    patience = usual if limits.max_wait is None else limits.max_wait
    client, run_id = whose
    return Claim(
        model.model or model.kind,
        account(model),
        limits.policy(),
        client,
        run_id,
        _expected(model, request) if limits.tpm else 0,
        patience if timeout is None else min(patience, timeout),
    )


def client_of(request: ChatRequest) -> str:
    """Whom a request is made for, where its client says so; all others are one."""
    told = request.sampling.extra
    return str(told.get("safety_identifier") or told.get("user") or "")


def _expected(model: ModelSpec, request: ChatRequest) -> int:
    """Tokens: the prompt's, by estimate, and all that the answer may have, as providers reckon."""
    read = estimate(request, Message("assistant", ())).input_tokens
    return read + (request.sampling.max_tokens or model.max_tokens or EXPECTED_OUTPUT)


def _ended(permit: Permit, outcome: Outcome | None) -> None:
    match outcome:
        case Answered(completion=completion):
            permit.end(_sum(completion.usage))
        case Failed(failure=failure) if failure.code == UpstreamBusy.code:
            permit.push_back(failure.retry_after)
            permit.end(0)
        case Failed(usage=usage) | Cancelled(usage=usage):
            permit.end(_sum(usage))
        case None:
            permit.end()


def _sum(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
