import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from serve_app.disconnect import while_connected


class Client:
    """The receiving side of a connection whose body has been read."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Work:
    """Work that only ends when it is cancelled, and says how far it came."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cleaned_up = False

    async def __call__(self) -> None:
        try:
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.cleaned_up = True


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_work_is_done_while_the_client_is_there() -> None:
    async def work() -> int:
        return 42

    assert await while_connected(Client().receive, work()) == 42
    assert not others()


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await while_connected(Client().receive, work())
    assert not others()


async def test_work_is_cancelled_and_has_cleaned_up_when_the_client_goes_away() -> None:
    client, work = Client(), Work()
    waiting = asyncio.create_task(while_connected(client.receive, work()))
    await work.begun.wait()
    client.gone.set()
    with pytest.raises(ClientDisconnect):
        await waiting
    assert work.cleaned_up
    assert not others()


async def test_work_is_cancelled_and_has_cleaned_up_when_the_server_cancels() -> None:
    work = Work()
    waiting = asyncio.create_task(while_connected(Client().receive, work()))
    await work.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.cleaned_up
    assert not others()
