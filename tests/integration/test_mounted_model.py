"""One model mounted as a tool, on real Ray: eyes for a main LLM that reads text."""

from __future__ import annotations

import pytest

from tests.conftest import Product
from tests.integration.test_panels import run, steps

pytestmark = pytest.mark.ray


def test_a_picture_is_looked_at_by_the_mounted_model(product: Product) -> None:
    raw = product.openai().chat.completions.with_raw_response.create(
        model="with-eyes",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ],
            }
        ],
    )
    assert raw.parse().choices[0].message.content == "It is a cat."
    shown = run(product, raw.headers["x-stellarator-run-id"])
    assert shown["panel"] == "skipped"
    assert steps(shown)["look"]["output"] == "A cat."
    assert steps(shown)["look"]["detail"]["images"] == 1
