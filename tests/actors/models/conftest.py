"""Servers and connections for the tests of model clients: loopback only, closed with each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from aiohttp import web

from actors.models.openai_compatible.pool import connection_pool

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def pool() -> AsyncIterator[httpx.AsyncClient]:
    async with connection_pool() as connections:
        yield connections


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server of one handler for every path; returns its base URL without a path."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> str:
            app = web.Application(handler_args={"handler_cancellation": True})
            app.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        yield start


async def eventually(happened: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something that other tasks do has happened."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110  # what happens is in another's hands and rings no bell
            await asyncio.sleep(0.005)
