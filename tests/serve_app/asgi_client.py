"""The client's side of one ASGI exchange, for tests of single responses."""

import asyncio

from starlette.types import Message


class Client:
    """Both directions of one exchange; `heard` releases who waits for so many bytes."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.messages: list[Message] = []
        self.heard = asyncio.Condition()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        async with self.heard:
            self.messages.append(message)
            self.heard.notify_all()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def complete(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("more_body") is False

    async def hears(self, piece: bytes) -> None:
        async with self.heard:
            await self.heard.wait_for(lambda: piece in self.body)


def others() -> set[asyncio.Task[object]]:
    """The tasks beside the test's own: none may be left over."""
    return asyncio.all_tasks() - {asyncio.current_task()}
