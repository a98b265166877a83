"""What a client sends beside its text reaches the main LLM of every door; what does not is said in the run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Product
from tests.integration.test_panels import run

pytestmark = pytest.mark.ray

PNG = "iVBORw0KGgo="
PDF = "JVBERi0xLjQ="
PICTURE = "https://pictures.example/cat.png"
SENT: list[dict[str, Any]] = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    {"type": "image_url", "image_url": {"url": PICTURE}},
    {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
]
"""What the upstream gets, whichever door it came through."""

TEXT = SENT[0]["text"]
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": SENT}],
        "max_tokens": 50,
        "stop": ["END"],
        "logprobs": True,
    },
    "/v1/responses": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": TEXT},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                    {"type": "input_image", "image_url": PICTURE},
                    {
                        "type": "input_file",
                        "file_data": f"data:application/pdf;base64,{PDF}",
                        "filename": "a.pdf",
                    },
                ],
            }
        ],
        "max_output_tokens": 50,
        "max_tool_calls": 1,
    },
    "/v1/messages": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": TEXT},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                    {"type": "image", "source": {"type": "url", "url": PICTURE}},
                    {
                        "type": "document",
                        "title": "a.pdf",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                    },
                    {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                ],
            }
        ],
        "max_tokens": 50,
        "stop_sequences": ["END"],
        "service_tier": "auto",
    },
}
DROPPED = {
    "/v1/chat/completions": (["logprobs"], []),
    "/v1/responses": (["max_tool_calls"], []),
    "/v1/messages": (["service_tier"], ["image"]),
}
"""What the run says that the door, and the main LLM's client, left out."""


@pytest.mark.parametrize("path", ASKED)
def test_pictures_files_and_parameters_reach_the_main_llm(product: Product, path: str) -> None:
    already = len(product.upstream.seen)
    with product.http() as http:
        response = http.post(path, json={"model": "plain", "temperature": 0.5, **ASKED[path]})
    assert response.status_code == 200, response.text
    asked = product.upstream.seen[already].asked
    assert asked["messages"][-1]["content"] == SENT
    assert (asked["temperature"], asked["max_tokens"]) == (0.5, 50)
    assert asked.get("stop") == (None if path == "/v1/responses" else ["END"])
    shown = run(product, response.headers["x-stellarator-run-id"])
    by_step = [step["dropped"] for step in shown["steps"] if step["kind"] == "answer"]
    assert (shown["dropped"], *by_step) == DROPPED[path]
