"""Work that is only worth doing while its client is there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, but cancel it at once when the client goes away. The request's body must have been read.

    Servers differ: uvicorn only says ``http.disconnect``, Ray Serve also cancels the handler. Either way the
    work has been cancelled and has cleaned up when this returns; no task outlives it.

    Raises:
        ClientDisconnect: the client went away first.
    """
    worker = asyncio.create_task(work)
    watcher = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({worker, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not worker.done():
            raise ClientDisconnect
        return worker.result()
    finally:
        await stop(worker, watcher)


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel what still runs and wait until all have cleaned up. Their errors are not raised here."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
