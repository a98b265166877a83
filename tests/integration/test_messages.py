"""The official Anthropic SDK against the running product: panels and plain models behind Serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam

from tests.conftest import Product
from tests.integration.panels import ANSWER
from tests.integration.test_panels import eventually, run
from tests.serve_app.sdk_shapes import assert_event, assert_message

pytestmark = pytest.mark.ray

REVIEW: list[MessageParam] = [{"role": "user", "content": "Review this plan, please"}]


@pytest.fixture
def client(product: Product) -> Iterator[Anthropic]:
    with Anthropic(base_url=product.root, api_key=product.server.api_key, max_retries=0) as client:
        yield client


def test_a_panel_answers_an_unstreamed_message(product: Product, client: Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model="slow-three", max_tokens=100, messages=REVIEW)
    payload: dict[str, Any] = raw.http_response.json()
    assert_message(payload)
    assert payload["content"] == [{"type": "text", "text": ANSWER}]
    assert (payload["stellarator"]["panel"], raw.headers["x-stellarator-panel"]) == ("ran", "ran")
    assert raw.headers["request-id"]
    shown = run(product, raw.headers["x-stellarator-run-id"])
    assert (shown["protocol"], shown["status"]) == ("anthropic_messages", "ok")


@pytest.mark.parametrize("model", ["slow-three", "dedicated-three"])
def test_a_panel_answers_a_stream(client: Anthropic, model: str) -> None:
    stream = client.messages.create(model=model, max_tokens=100, messages=REVIEW, stream=True)
    events: list[dict[str, Any]] = [event.to_dict() for event in stream]
    for event in events:
        assert_event(event)
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    text = [delta["text"] for delta in deltas if delta["type"] == "text_delta"]
    assert "".join(text) == ANSWER
    assert len(text) > 1


def test_what_claude_code_puts_behind_the_users_message_does_not_hide_it(client: Anthropic) -> None:
    raw = client.messages.with_raw_response.create(
        model="slow-three",
        max_tokens=100,
        messages=[*REVIEW, {"role": "system", "content": "# Environment"}],
        extra_headers={"x-stellarator-fusion": "always"},
    )
    assert raw.headers["x-stellarator-panel"] == "ran"


def test_an_unknown_model_is_the_sdks_own_error(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(model="claude", max_tokens=100, messages=REVIEW)
    assert unknown.value.type == "not_found_error"
    assert unknown.value.request_id


def test_a_client_that_goes_away_stops_the_model(product: Product, client: Anthropic) -> None:
    already = len(product.upstream.seen)
    with client.messages.stream(model="endless", max_tokens=100, messages=REVIEW) as stream:
        next(iter(stream.text_stream))
    seen = product.upstream.seen[already]
    eventually(lambda: seen.outcome == "aborted")
