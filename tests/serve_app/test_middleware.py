"""What the wrappers do beyond what the whole application's tests see."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve_app.middleware import Identity, Locked


async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("the request was let in")


async def cut_off(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("secret")


async def nothing() -> Message:
    raise AssertionError("nobody reads")


async def sent_by(app: Identity | Locked, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, nothing, send)
    return sent


async def test_a_websocket_without_the_key_is_closed() -> None:
    scope = {"type": "websocket", "path": "/v1/responses", "headers": [], "root_path": ""}
    assert await sent_by(Locked(never, "sk-right", ()), scope) == [{"type": "websocket.close", "code": 1008}]


async def test_an_error_after_the_response_began_leaves_it_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """The server sees an incomplete response and closes the connection: no second start, no normal end."""
    [start] = await sent_by(Identity(cut_off), {"type": "http", "headers": []})
    assert start["type"] == "http.response.start"
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text
