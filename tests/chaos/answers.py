"""What an answer comes to, read as a client of its protocol reads it: pure, without a connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import httpx

from tests.chaos.stage import ANSWER

Kind = Literal["answered", "refused", "cut", "malformed", "lost"]
"""Refused: an error as the protocol has them. Lost: accepted for the background, and no end of it to be read."""
Door = Literal["chat", "chat-stream", "messages-stream", "responses-stream", "background"]
Verdict = tuple[Kind, str]
"""With what it was judged by."""


def judged(door: Door, response: httpx.Response) -> Verdict:
    """A whole response."""
    if response.status_code != httpx.codes.OK:
        return refusal(response)
    if door == "chat":
        return _whole(response)
    events = list(events_in(response.text))
    failures = [event for event in events if is_failure(event)]
    if failures:
        return "refused", json.dumps(failures[0])[:300]
    if not _is_over(door, response.text, events):
        return "cut", "the stream ended in the middle"
    return (
        ("answered", "") if ANSWER in _text(events) else ("refused", f"other answer: {_text(events)[:200]}")
    )


def refusal(response: httpx.Response) -> Verdict:
    """An error by its status: JSON that says what is wrong."""
    shown = f"{response.status_code} {response.text[:300]}"
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return "malformed", shown
    return ("refused" if error.get("message") and error.get("type") else "malformed"), shown


def _whole(response: httpx.Response) -> Verdict:
    try:
        body = response.json()
    except ValueError:
        return "cut", response.text[:300]
    if "error" in body:
        return "refused", json.dumps(body["error"])[:300]
    said = body["choices"][0]["message"]["content"]
    return ("answered", "") if said == ANSWER else ("refused", f"other answer: {said[:200]}")


def events_in(text: str) -> Iterator[dict[str, Any]]:
    """The events of a stream, as far as they came."""
    for line in text.splitlines():
        if line.startswith("data: {"):
            try:
                yield json.loads(line.removeprefix("data: "))
            except ValueError:
                return  # cut in the middle of a line


def is_failure(event: dict[str, Any]) -> bool:
    """Whether an event of any of the protocols says that there is no answer."""
    return bool(event.get("error")) or event.get("type") in {"error", "response.failed"}


def _is_over(door: Door, text: str, events: list[dict[str, Any]]) -> bool:
    if door == "chat-stream":
        return text.rstrip().endswith("data: [DONE]")
    last = "message_stop" if door == "messages-stream" else "response.completed"
    return any(event.get("type") == last for event in events)


def stored(body: dict[str, Any]) -> Verdict | None:
    """A stored response; None while it is under way."""
    if body["status"] in {"queued", "in_progress"}:
        return None
    if body["status"] == "completed":
        said = json.dumps(body["output"])
        return ("answered", "") if ANSWER in said else ("refused", f"other answer: {said[:200]}")
    error = body["error"] or {}
    return ("refused" if error.get("message") and error.get("code") else "malformed"), json.dumps(error)[:300]


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
