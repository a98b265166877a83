"""The fake model as a real HTTP upstream: Chat Completions, streamed and not, by script, with a request log.

What tests and benchmarks put in place of providers, so it is lean: thousands of sleeping calls on one event loop.
`GET /log` tells who called, when, and whether the caller closed its socket before the answer was over (`?last=6`: of
the last six); `GET /tally` counts them. `POST /release/MODEL` ends the delays of that model's calls.

    python -m actors.models.scripted.server --script FILE --port 0
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import time
from typing import Any

from aiohttp import web

from actors.models.scripted import wire
from actors.models.scripted.client import completion
from actors.models.scripted.script import Rule, Script, said
from workflows.messages import ChatRequest, Completion

MAX_BODY_BYTES = 64 * 1024 * 1024
MOST_SEEN = 50_000
"""Requests that are remembered; the older half is forgotten then."""
_BACKLOG = 4096


@dataclass(slots=True)
class Seen:
    """One request, as the upstream saw it. Times are Unix seconds.

    `ended` is 0 while it is under way; `outcome` is answered, failed, or aborted (the caller closed its socket).
    `caller` is the caller's end of the connection: equal for requests that shared one. `asked` is the body.
    """

    model: str
    last_message: str
    authorization: bool
    started: float
    caller: str = ""
    ended: float = 0.0
    outcome: str = ""
    asked: dict[str, Any] = field(default_factory=dict)


class Upstream:
    """The server's state: its script and what it saw."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.seen: list[Seen] = []
        self._gates: dict[str, asyncio.Event] = {}

    def app(self) -> web.Application:
        """The routes. Handlers are cancelled when their caller goes away, so that a hang-up is noticed at once."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, handler_args={"handler_cancellation": True})
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/log", self._log)
        app.router.add_get("/tally", self._tally)
        app.router.add_post("/release/{model}", self._release)
        return app

    async def _log(self, http: web.Request) -> web.Response:
        last = int(http.query.get("last", len(self.seen)))
        return web.json_response([asdict(seen) for seen in self.seen[len(self.seen) - last :]])

    async def _tally(self, _request: web.Request) -> web.Response:
        """How many calls each model has had, by outcome; `open` are those under way."""
        tally = Counter((seen.model, seen.outcome or "open") for seen in self.seen)
        told: dict[str, dict[str, int]] = {}
        for (model, outcome), count in tally.items():
            told.setdefault(model, {})[outcome] = count
        return web.json_response(told)

    async def _release(self, http: web.Request) -> web.Response:
        if gate := self._gates.pop(http.match_info["model"], None):
            gate.set()
        return web.Response()

    async def _delay(self, model: str, seconds: float) -> None:
        """Wait, until it is over or the model's calls are released."""
        if seconds:
            gate = self._gates.setdefault(model, asyncio.Event())
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await gate.wait()

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        try:
            told = await http.json()
            request, model = wire.read_request(told), str(told["model"])
        except (ValueError, TypeError, AttributeError, KeyError):
            return _error(400, "the body is not a Chat Completions request")
        seen = self._note(http, request, told)
        try:
            response = await self._play(http, request, model, stream=bool(told.get("stream")))
        except (asyncio.CancelledError, ConnectionResetError):
            seen.outcome = "aborted"
            raise
        else:
            broken = http.transport is None or http.transport.is_closing()
            seen.outcome = "failed" if broken or response.status != web.HTTPOk.status_code else "answered"
            return response
        finally:
            seen.ended = time()

    def _note(self, http: web.Request, request: ChatRequest, told: dict[str, Any]) -> Seen:
        last = said(request.messages[-1]) if request.messages else ""
        host, port, *_ = (http.transport and http.transport.get_extra_info("peername")) or ("", 0)
        caller = f"{host}:{port}"
        seen = Seen(told["model"], last, "authorization" in http.headers, time(), caller, asked=told)
        self.seen.append(seen)
        if len(self.seen) > MOST_SEEN:
            del self.seen[: MOST_SEEN // 2]
        return seen

    async def _play(
        self, http: web.Request, request: ChatRequest, model: str, *, stream: bool
    ) -> web.StreamResponse:
        turn = self._script.turn(request, model)
        if turn is None:
            return _error(400, "no rule of the script fits this request")
        rule = turn.rule
        await self._delay(model, turn.delay)
        if rule.hang:
            await asyncio.Event().wait()
        if rule.fail is not None:
            return _error(rule.fail.status, rule.fail.message, rule.fail.retry_after)
        answer = completion(rule, request, model)
        if not stream:
            return web.json_response(wire.whole(answer, model))
        return await _streamed(http, rule, request, answer, model)


async def _streamed(
    http: web.Request, rule: Rule, request: ChatRequest, answer: Completion, model: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(http)
    events = wire.chunks(rule, request, answer, model)
    if rule.disconnect:
        await response.write(next(events))
        if http.transport is not None:
            http.transport.close()
    elif rule.pace:
        for number, event in enumerate(events):
            await asyncio.sleep(rule.pace if number else 0)
            await response.write(event)
    else:
        await response.write(b"".join(events))
    return response


def _error(status: int, message: str, retry_after: float | None = None) -> web.Response:
    headers = {"retry-after": f"{retry_after:g}"} if retry_after is not None else {}
    return web.json_response(wire.error(status, message), status=status, headers=headers)


@dataclass(frozen=True, slots=True)
class RunningUpstream:
    """A started upstream: where it is, and what it has seen."""

    base_url: str
    upstream: Upstream

    @property
    def seen(self) -> list[Seen]:
        """Every request so far."""
        return self.upstream.seen


@asynccontextmanager
async def serving(
    rules: list[dict[str, Any]] | str, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[RunningUpstream]:
    """A scripted upstream, on this event loop; port 0 is a free one."""
    upstream = Upstream(Script.read(rules))
    runner = web.AppRunner(upstream.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        yield RunningUpstream(f"http://{host}:{runner.addresses[0][1]}/v1", upstream)
    finally:
        await runner.cleanup()


@contextmanager
def running(rules: list[dict[str, Any]] | str) -> Iterator[RunningUpstream]:
    """A scripted upstream on a free loopback port, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="scripted-upstream", daemon=True)
    thread.start()
    server = serving(rules)
    try:
        started = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        try:
            yield started
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _serve(script: Path, port: int, host: str) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serving(str(script), port, host) as upstream:
        sys.stdout.write(f"{upstream.base_url}\n")
        sys.stdout.flush()
        await stopped.wait()


def main() -> None:
    """Serve a script until somebody stops it; the first line printed is the base URL."""
    parser = argparse.ArgumentParser(description="A scripted Chat Completions upstream.")
    parser.add_argument("--script", type=Path, required=True, help="YAML file with rules")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    given = parser.parse_args()
    asyncio.run(_serve(given.script, given.port, given.host))


if __name__ == "__main__":
    main()
