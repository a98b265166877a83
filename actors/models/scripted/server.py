"""The fake model as a real HTTP upstream: Chat Completions, streamed and not, by script, with a request log.

What tests and benchmarks put in place of providers, so it is lean: thousands of sleeping calls on one event loop.
Reads as much of a request as scripts can ask about. `GET /log` tells who called, when, and whether the caller
closed its socket before the answer was over.

    python -m actors.models.scripted.server --script FILE --port 0
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from typing import Any

from aiohttp import web

from actors.models.scripted.client import completion, tool_calls
from actors.models.scripted.script import Rule, Script
from workflows.messages import ChatRequest, Completion, Message, ResponseFormat, Role, Text, Tool

MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Seen:
    """One request, as the upstream saw it. Times are Unix seconds.

    `ended` is 0 while it is under way; `outcome` is answered, failed, or aborted (the caller closed its socket).
    """

    model: str
    last_message: str
    authorization: bool
    started: float
    ended: float = 0.0
    outcome: str = ""


class Upstream:
    """The server's state: its script and what it saw."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.seen: list[Seen] = []

    def app(self) -> web.Application:
        """The routes. Handlers are cancelled when their caller goes away, so that a hang-up is noticed at once."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, handler_args={"handler_cancellation": True})
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/log", self._log)
        return app

    async def _log(self, _request: web.Request) -> web.Response:
        return web.json_response([asdict(seen) for seen in self.seen])

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        told = await http.json()
        request, model = read_request(told), str(told.get("model", ""))
        last = request.messages[-1].text if request.messages else ""
        seen = Seen(model, last, "authorization" in http.headers, time())
        self.seen.append(seen)
        try:
            response = await self._play(http, told, request, model)
        except (asyncio.CancelledError, ConnectionResetError):
            seen.outcome = "aborted"
            raise
        else:
            seen.outcome = "answered" if response.status == web.HTTPOk.status_code else "failed"
            return response
        finally:
            seen.ended = time()

    async def _play(
        self, http: web.Request, told: dict[str, Any], request: ChatRequest, model: str
    ) -> web.StreamResponse:
        turn = self._script.turn(request, model)
        if turn is None:
            return _error(400, "no rule of the script fits this request")
        rule = turn.rule
        await asyncio.sleep(turn.delay)
        if rule.hang:
            await asyncio.Event().wait()
        if rule.fail is not None:
            return _error(rule.fail.status, rule.fail.message, rule.fail.retry_after)
        answer = completion(rule, request, model)
        if not told.get("stream"):
            return web.json_response(_whole(answer, model))
        return await _streamed(http, rule, request, answer, model)


def read_request(told: dict[str, Any]) -> ChatRequest:
    """As much of a Chat Completions body as scripts can ask about."""
    messages = tuple(_message(message) for message in told.get("messages", ()))
    tools = tuple(
        Tool(tool["function"]["name"], "", {}) for tool in told.get("tools", ()) if tool.get("function")
    )
    wanted = told.get("response_format")
    return ChatRequest(messages, tools, response_format=ResponseFormat("json_object") if wanted else None)


def _message(told: dict[str, Any]) -> Message:
    role: Role = told.get("role", "user")
    content = told.get("content") or ""
    if not isinstance(content, str):
        content = "".join(part.get("text", "") for part in content)
    return Message(role, (Text(content),))


async def _streamed(
    http: web.Request, rule: Rule, request: ChatRequest, answer: Completion, model: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(http)
    if rule.reasoning:
        await response.write(_chunk(model, {"reasoning_content": rule.reasoning}))
    for number, piece in enumerate(rule.pieces(request)):
        if number and rule.pace:
            await asyncio.sleep(rule.pace)
        await response.write(_chunk(model, {"content": piece}))
        if rule.disconnect and http.transport is not None:
            http.transport.close()
            return response
    if calls := tool_calls(rule):
        told = [{"index": i, **_call(c.id, c.name, c.arguments)} for i, c in enumerate(calls)]
        await response.write(_chunk(model, {"tool_calls": told}))
    usage = _usage(answer)
    await response.write(_chunk(model, {}, answer.finish_reason) + _event({"choices": [], "usage": usage}))
    await response.write(b"data: [DONE]\n\n")
    return response


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({"id": "chatcmpl-scripted", "model": model, "choices": [choice]})


def _event(told: dict[str, Any]) -> bytes:
    head = {"object": "chat.completion.chunk", "created": int(time())}
    return b"data: " + json.dumps(head | told).encode() + b"\n\n"


def _whole(answer: Completion, model: str) -> dict[str, Any]:
    calls = [_call(c.id, c.name, c.arguments) for c in answer.message.tool_calls]
    message = {"role": "assistant", "content": answer.message.text or None}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": int(time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": answer.finish_reason,
                "message": {**message, **({"tool_calls": calls} if calls else {})},
            }
        ],
        "usage": _usage(answer),
    }


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(answer: Completion) -> dict[str, int]:
    asked, answered = answer.usage.input_tokens, answer.usage.output_tokens
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _error(status: int, message: str, retry_after: float | None = None) -> web.Response:
    headers = {"retry-after": str(retry_after)} if retry_after is not None else {}
    told = {"error": {"message": message, "type": "scripted", "code": status}}
    return web.json_response(told, status=status, headers=headers)


@dataclass(frozen=True, slots=True)
class RunningUpstream:
    """A started upstream: where it is, and what it has seen."""

    base_url: str
    upstream: Upstream

    @property
    def seen(self) -> list[Seen]:
        """Every request so far."""
        return self.upstream.seen


@contextmanager
def running(rules: list[dict[str, Any]] | str) -> Iterator[RunningUpstream]:
    """A scripted upstream on a free loopback port, on a thread of its own."""
    upstream = Upstream(Script.read(rules))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="scripted-upstream", daemon=True)
    thread.start()
    runner, port = asyncio.run_coroutine_threadsafe(_start(upstream, 0), loop).result(10)
    try:
        yield RunningUpstream(f"http://127.0.0.1:{port}/v1", upstream)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _start(upstream: Upstream, port: int) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(upstream.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    address: tuple[str, int] = runner.addresses[0]
    return runner, address[1]


async def _serve(script: Path, port: int) -> None:
    runner, bound = await _start(Upstream(Script.read(str(script))), port)
    sys.stdout.write(f"http://127.0.0.1:{bound}/v1\n")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Serve a script until somebody stops it."""
    parser = argparse.ArgumentParser(description="A scripted Chat Completions upstream.")
    parser.add_argument("--script", type=Path, required=True, help="YAML file with rules")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    given = parser.parse_args()
    asyncio.run(_serve(given.script, given.port))


if __name__ == "__main__":
    main()
