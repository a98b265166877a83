"""What holds for every door alike, streamed and not: how a model's failure looks, and what a client's leaving stops."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Product
from tests.integration.test_panels import PROMPT, eventually

pytestmark = pytest.mark.ray

SAID = [{"role": "user", "content": PROMPT}]
DOORS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": SAID},
    "/v1/responses": {"input": PROMPT},
    "/v1/messages": {"messages": SAID, "max_tokens": 100},
}
FAILURES = {"refused": 502, "down": 502, "full": 429}
"""What a client sees of a main LLM that refuses our key with 401, fails with 500, or is busy with 429 for 17 s."""

ERROR_EVENTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "/v1/chat/completions": lambda event: set(event) == {"error"},
    "/v1/responses": lambda event: event["type"] == "response.failed",
    "/v1/messages": lambda event: event["type"] == "error" and event["error"]["type"] == "api_error",
}
ENDS = ("[DONE]", "response.completed", "message_stop", '"finish_reason":"stop"')

every_door = pytest.mark.parametrize("path", DOORS)
streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def asked(path: str, model: str, *, stream: bool) -> dict[str, Any]:
    return {"model": model, "stream": stream, **DOORS[path]}


@every_door
@streamed_or_not
@pytest.mark.parametrize("model", FAILURES)
def test_a_failing_main_llm_is_never_the_clients_own_fault(
    product: Product, path: str, stream: bool, model: str
) -> None:
    with product.http() as http:
        response = http.post(path, json=asked(path, model, stream=stream))
    if stream and response.is_success:
        # A busy machine may take longer to fail than a stream waits for its status.
        assert not any(end in response.text for end in ENDS)
        return
    assert response.status_code == FAILURES[model]
    assert response.headers.get("retry-after") == ("17" if model == "full" else None)
    assert response.json()["error"]["message"]
    assert response.headers["x-stellarator-run-id"]


@every_door
@streamed_or_not
def test_a_conversation_that_is_too_long_is_said_in_the_words_by_which_agents_compact(
    product: Product, path: str, stream: bool
) -> None:
    with product.http() as http:
        response = http.post(path, json=asked(path, "brimful", stream=stream))
    assert "prompt is too long" in response.text
    assert path == "/v1/messages" or "context_length_exceeded" in response.text
    assert response.status_code == 400 or stream  # a busy machine may take longer to fail than a stream waits


@every_door
def test_an_answer_that_breaks_off_ends_in_an_error_event_and_in_no_normal_end(
    product: Product, path: str
) -> None:
    with product.http() as http:
        response = http.post(path, json=asked(path, "cut", stream=True))
    *_, last = (line for line in response.text.splitlines() if line.startswith("data: "))
    assert ERROR_EVENTS[path](json.loads(last.removeprefix("data: ")))
    assert not any(end in response.text for end in ENDS)


@every_door
@streamed_or_not
@pytest.mark.parametrize(("model", "calls"), [("endless", 1), ("all-hanging", 3)])
def test_a_client_that_leaves_stops_what_is_under_way_within_a_moment(
    product: Product, path: str, stream: bool, model: str, calls: int
) -> None:
    already = len(product.upstream.seen)

    def under_way() -> bool:
        seen = product.upstream.seen[already:]
        return sum(call.model in {"endless", "hanging"} for call in seen) == calls

    with product.http() as http:
        leave_when(http, path, asked(path, model, stream=stream), under_way)
    left = time.time()
    seen = [call for call in product.upstream.seen[already:] if call.model in {"endless", "hanging"}]
    eventually(lambda: all(call.ended for call in seen))
    assert {call.outcome for call in seen} == {"aborted"}
    assert max(call.ended for call in seen) - left < 1


def leave_when(http: httpx.Client, path: str, body: dict[str, Any], condition: Any) -> None:
    """Send a request, and close its connection as soon as `condition` holds, whatever has come back."""
    told = json.dumps(body).encode()
    url = http.base_url
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {url.host}\r\nauthorization: {http.headers['authorization']}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(told)}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(head.encode() + told)
        eventually(condition)
