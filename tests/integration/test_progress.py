"""A streaming client of each API sees what the panel does, with the official SDKs; and none of it comes back."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import Anthropic

from tests.conftest import Product
from tests.integration.panels import ANSWER

pytestmark = pytest.mark.ray

REVIEW = "Review this plan"
BEGUN = {"problem_review begins", "broad (fast) thinks", "risks (fast) thinks", "diverse (fast) thinks"}
OFF = {"x-stellarator-progress": "off"}


def chat_thoughts(product: Product, **options: Any) -> str:
    with product.openai() as client:
        stream = client.chat.completions.create(
            model="dedicated-three", messages=[{"role": "user", "content": REVIEW}], stream=True, **options
        )
        deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    return "".join(getattr(delta, "reasoning_content", "") for delta in deltas)


def test_chat_completions_tells_it_in_marked_lines_among_the_reasoning(product: Product) -> None:
    lines = chat_thoughts(product).splitlines()
    assert {line.removeprefix("[stellarator] ") for line in lines} > BEGUN


def test_the_header_switches_it_off(product: Product) -> None:
    assert chat_thoughts(product, extra_headers=OFF) == ""


def test_responses_tells_it_as_a_reasoning_summary_that_may_be_sent_back(product: Product) -> None:
    with product.openai() as client:
        with client.responses.stream(model="one-broken", input=REVIEW) as stream:
            final = stream.get_final_response()
        output: Any = final.to_dict()["output"]
        further = client.responses.create(
            model="plain", input=[*output, {"role": "user", "content": "And now?"}]
        )
    progress = final.output[0]
    assert progress.type == "reasoning"
    assert "risks failed (upstream_unavailable)" in progress.summary[0].text
    assert final.output_text == ANSWER
    assert further.output_text


def test_messages_tells_it_in_a_thinking_block_that_may_be_sent_back(product: Product) -> None:
    with Anthropic(base_url=product.root, api_key=product.server.api_key, max_retries=0) as client:
        said: Any = [{"role": "user", "content": REVIEW}]
        with client.messages.stream(model="dedicated-three", max_tokens=99, messages=said) as stream:
            message = stream.get_final_message()
        blocks = [block.to_dict() for block in message.content]
        said += [{"role": "assistant", "content": blocks}, {"role": "user", "content": "And now?"}]
        further = client.messages.create(model="plain", max_tokens=99, messages=said)
    assert [block["type"] for block in blocks] == ["thinking", "text"]
    assert set(str(blocks[0]["thinking"]).splitlines()) > BEGUN
    assert further.content
