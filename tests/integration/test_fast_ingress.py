"""HAProxy as ingress: answers stream, and a client that goes away stops every model call behind its panel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.bench.scenes import fusion, pass_through
from tests.bench.stand import Server, product, upstream

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

STONES = 3
PATIENCE_S = 60.0
RULES: list[dict[str, Any]] = [
    {"match": {"model": "stone"}, "hang": True},
    {"match": {"model": "echo"}, "answer": "word " * 20, "chunks": 20},
    {"match": {"has_tool": "review"}, "tool_calls": [{"name": "review", "arguments": {"task": "Look"}}]},
]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Server, Server]]:
    """The product behind HAProxy, and its upstream."""
    with upstream(RULES) as models:
        workflows = [
            pass_through("echo", models.base_url),
            fusion("stones", models.base_url, ["stone"] * STONES),
        ]
        with product(workflows, {"STELLARATOR_INGRESS": "haproxy"}) as server:
            yield server, models


def asked(server: Server, model: str) -> dict[str, Any]:
    """The arguments of a streamed request."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Review this plan"}]}
    headers = {"authorization": f"Bearer {server.key}"}
    return {"url": f"{server.base_url}/chat/completions", "json": body, "headers": headers, "timeout": 60}


def stones(models: Server) -> list[str]:
    """What became of the panel's branches, as the upstream saw it."""
    log = httpx.get(f"{models.base_url.removesuffix('/v1')}/log").json()
    return [seen["outcome"] for seen in log if seen["model"] == "stone"]


def wait_until_stones_are(models: Server, outcome: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while stones(models) != [outcome] * STONES:
        assert time.monotonic() < until, stones(models)
        time.sleep(0.05)


def test_answers_stream(served: tuple[Server, Server]) -> None:
    server, _ = served
    with httpx.stream("POST", **asked(server, "echo")) as response:
        chunks = [line for line in response.iter_lines() if '"content":"word' in line]
    assert response.status_code == httpx.codes.OK
    assert len(chunks) > 1


def test_a_client_that_goes_away_stops_the_branches(served: tuple[Server, Server]) -> None:
    server, models = served
    with httpx.stream("POST", **asked(server, "stones")):
        wait_until_stones_are(models, "")
    wait_until_stones_are(models, "aborted")
