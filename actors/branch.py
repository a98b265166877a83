"""The plain Ray task behind a branch that declares resources of its own.

Its body is one ``asyncio.run``: Ray refuses ``async def`` tasks, and cannot interrupt a task that blocks in I/O,
but one whose main thread runs an event loop is cancelled at once. A process of its own costs 60 MB and more; a
branch without `resources` runs on a lane instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from actors.flights import Stopped
from actors.limited import perform_in_turn
from actors.models.factory import ModelFactory
from actors.orders import CallOrder
from actors.quotas import Desk
from actors.turnstile import Turnstile
from cluster import observability
from cluster.settings import secret
from workflows.flow import Outcome

FLUSH_SECONDS = 0.2
"""For which the outcome waits until the spans are sent, because Ray may end or reuse this process at once: a collector
that answers takes milliseconds, and one that does not must not hold up a run."""


def run_branch(
    order: CallOrder, embedded_url: Callable[[], Awaitable[str]], desk: Callable[[], Desk]
) -> Outcome:
    """Make one call in this process and return its outcome."""
    observability.setup("branch")
    try:
        return asyncio.run(_call(order, embedded_url, desk))
    finally:
        observability.flush(FLUSH_SECONDS)


def warm_up(seconds: float) -> None:
    """Get this process ready for branches, and keep it to itself so long that others are started beside it."""
    observability.setup("branch")
    asyncio.run(asyncio.sleep(seconds))


async def _call(
    order: CallOrder, embedded_url: Callable[[], Awaitable[str]], desk: Callable[[], Desk]
) -> Outcome:
    models = ModelFactory(secrets=secret, embedded_url=embedded_url)
    turnstile = Turnstile(desk)
    try:
        model = models.model(order.model)
        return await perform_in_turn(model, order, Stopped(), turnstile)
    finally:
        await turnstile.aclose()
        await models.aclose()
