"""Clients at every door, and what each of them saw: an answer, an error as its protocol has them, or a cut connection."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from tests.chaos.answers import Door, Kind, Verdict, events_in, is_failure, judged, refusal, stored
from tests.chaos.stage import KEY, MODELS

DOORS: dict[Door, int] = {
    "chat": 1,
    "chat-stream": 1,
    "messages-stream": 1,
    "responses-stream": 1,
    "background": 2,
}
"""How often each is taken, in relation to the others."""
PATIENCE = 180.0
"""Seconds after which a client gives up: later than any wait of the product."""
AWAY_SECONDS = 1.0
"""How long a client whose run is in the background stays away."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one client saw. Times are Unix seconds; `token` is in its prompt and in no other's."""

    token: str
    door: Door
    model: str
    kind: Kind
    began: float
    ended: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request to make."""

    token: str
    door: Door
    model: str


def wishes(random: Random, number: int) -> list[Wish]:
    """So many requests, spread over the doors and the virtual models."""
    doors = random.choices(list(DOORS), list(DOORS.values()), k=number)
    return [Wish(f"plan-{n:04d}-x", door, random.choice(MODELS)) for n, door in enumerate(doors)]


def warm_up() -> list[Wish]:
    """One request for each door, over all models, so that every part is there that is started when needed."""
    return [Wish(f"warm-{n:04d}-x", door, MODELS[n % len(MODELS)]) for n, door in enumerate(DOORS)]


async def ask_all(base_url: str, asked: list[Wish], seconds: float) -> list[Seen]:
    """Make the requests, one after the other over so many seconds, however many are under way by then."""
    headers = {"authorization": f"Bearer {KEY}", "x-api-key": KEY}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=base_url, headers=headers, timeout=PATIENCE, limits=limits
    ) as client:
        tasks = []
        for wish in asked:
            tasks.append(asyncio.create_task(_ask(client, wish)))
            await asyncio.sleep(seconds / len(asked))
        return list(await asyncio.gather(*tasks))


async def _ask(client: httpx.AsyncClient, wish: Wish) -> Seen:
    began = time.time()
    try:
        kind, detail = await (_left_alone if wish.door == "background" else _waited_for)(client, wish)
    except httpx.HTTPError as error:
        kind, detail = "cut", type(error).__name__
    return Seen(wish.token, wish.door, wish.model, kind, began, time.time(), detail)


async def _waited_for(client: httpx.AsyncClient, wish: Wish) -> Verdict:
    path, body = _request(wish)
    return judged(wish.door, await client.post(path, json=body))


async def _left_alone(client: httpx.AsyncClient, wish: Wish) -> Verdict:
    """Begin a run in the background, go away when it runs, and come back until it is over."""
    begun = await _begun(client, wish)
    if isinstance(begun, tuple):
        return begun
    end = time.monotonic() + PATIENCE
    streaming = True
    while time.monotonic() < end:
        await asyncio.sleep(AWAY_SECONDS)
        try:
            verdict = await _come_back(client, begun, streaming=streaming)
        except httpx.HTTPError:
            verdict = None
        if verdict is not None:
            return verdict
        streaming = False
    return "lost", f"{begun} is not over after {PATIENCE:g} s"


async def _begun(client: httpx.AsyncClient, wish: Wish) -> str | Verdict:
    """The response's id, as soon as its stream has told it; whatever becomes of that stream then does not matter."""
    path, body = _request(wish)
    async with client.stream("POST", path, json=body) as response:
        if response.status_code != httpx.codes.OK:
            await response.aread()
            return refusal(response)
        async for line in response.aiter_lines():
            for event in events_in(line):
                if is_failure(event):
                    return "refused", line[:300]
                return str(event["response"]["id"])
    return "cut", "the stream ended before its first event"


async def _come_back(client: httpx.AsyncClient, response_id: str, *, streaming: bool) -> Verdict | None:
    """What there is to hear of a response; None when it is to be asked for again."""
    path = f"/v1/responses/{response_id}"
    if streaming:
        response = await client.get(path, params={"stream": "true", "starting_after": "0"})
        verdict = judged("responses-stream", response)
        # Only what is stored decides: a stream may fail with the process that told it.
        return verdict if verdict[0] in {"answered", "malformed"} else None
    response = await client.get(path)
    if response.status_code == httpx.codes.OK:
        return stored(response.json())
    if response.status_code == httpx.codes.NOT_FOUND:
        return "lost", response.text[:300]
    verdict = refusal(response)
    return verdict if verdict[0] == "malformed" else None


def _request(wish: Wish) -> tuple[str, dict[str, Any]]:
    said = f"Review the plan {wish.token}."
    messages = [{"role": "user", "content": said}]
    match wish.door:
        case "chat" | "chat-stream":
            body = {"model": wish.model, "messages": messages, "stream": wish.door != "chat"}
            return "/v1/chat/completions", body
        case "messages-stream":
            body = {"model": wish.model, "messages": messages, "stream": True, "max_tokens": 1000}
            return "/v1/messages", body
        case "responses-stream":
            return "/v1/responses", {"model": wish.model, "input": said, "stream": True}
        case "background":
            return "/v1/responses", {"model": wish.model, "input": said, "stream": True, "background": True}
