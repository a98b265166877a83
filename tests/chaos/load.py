"""Clients at every door, and what each of them saw: an answer, an error as its protocol has them, or a cut connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import httpx

from tests.chaos.stage import ANSWER, KEY, MODELS

Kind = Literal["answered", "refused", "cut", "malformed"]
Door = Literal["chat", "chat-stream", "messages-stream", "responses-stream"]
DOORS: tuple[Door, ...] = ("chat", "chat-stream", "messages-stream", "responses-stream")
PATIENCE = 180.0
"""Seconds after which a client gives up: later than any wait of the product."""


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
    return [Wish(f"plan-{n:04d}-x", random.choice(DOORS), random.choice(MODELS)) for n in range(number)]


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
    path, body = _request(wish)
    try:
        response = await client.post(path, json=body)
        kind, detail = _judged(wish.door, response)
    except httpx.HTTPError as error:
        kind, detail = "cut", type(error).__name__
    return Seen(wish.token, wish.door, wish.model, kind, began, time.time(), detail)


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


def _judged(door: Door, response: httpx.Response) -> tuple[Kind, str]:
    if response.status_code != httpx.codes.OK:
        return _refusal(response)
    if door == "chat":
        return _whole(response)
    events = list(_events(response.text))
    failures = [event for event in events if _is_failure(event)]
    if failures:
        return "refused", json.dumps(failures[0])[:300]
    if not _is_over(door, response.text, events):
        return "cut", "the stream ended in the middle"
    return (
        ("answered", "") if ANSWER in _text(events) else ("refused", f"other answer: {_text(events)[:200]}")
    )


def _refusal(response: httpx.Response) -> tuple[Kind, str]:
    """An error by its status: JSON that says what is wrong."""
    shown = f"{response.status_code} {response.text[:300]}"
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return "malformed", shown
    return ("refused" if error.get("message") and error.get("type") else "malformed"), shown


def _whole(response: httpx.Response) -> tuple[Kind, str]:
    try:
        body = response.json()
    except ValueError:
        return "cut", response.text[:300]
    if "error" in body:
        return "refused", json.dumps(body["error"])[:300]
    said = body["choices"][0]["message"]["content"]
    return ("answered", "") if said == ANSWER else ("refused", f"other answer: {said[:200]}")


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("data: {"):
            try:
                yield json.loads(line.removeprefix("data: "))
            except ValueError:
                return  # cut in the middle of a line


def _is_failure(event: dict[str, Any]) -> bool:
    return bool(event.get("error")) or event.get("type") in {"error", "response.failed"}


def _is_over(door: Door, text: str, events: list[dict[str, Any]]) -> bool:
    if door == "chat-stream":
        return text.rstrip().endswith("data: [DONE]")
    last = "message_stop" if door == "messages-stream" else "response.completed"
    return any(event.get("type") == last for event in events)


def _text(events: list[dict[str, Any]]) -> str:
    """The visible text of a stream of any of the protocols."""
    said = []
    for event in events:
        said += [choice["delta"].get("content") or "" for choice in event.get("choices") or ()]
        if event.get("type") == "content_block_delta":
            said.append(event["delta"].get("text", ""))
        if event.get("type") == "response.output_text.delta":
            said.append(event["delta"])
    return "".join(said)
