"""Span names and attributes follow OpenTelemetry's GenAI conventions, in both spellings while they change."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import semconv


def test_span_names_are_the_operation_and_its_object() -> None:
    assert semconv.workflow_span("fusion-review") == "invoke_workflow fusion-review"
    assert semconv.chat_span("openai/gpt-5.5") == "chat openai/gpt-5.5"
    assert semconv.tool_span("problem_review") == "execute_tool problem_review"


def test_a_run_has_its_name_in_both_spellings() -> None:
    attributes = semconv.workflow("fusion-review", "run_1", protocol="openai_chat")
    assert attributes["gen_ai.workflow.name"] == attributes["gen_ai.agent.name"] == "fusion-review"
    assert attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert attributes["stellarator.run.id"] == "run_1"


def test_tokens_written_to_a_cache_have_both_spellings() -> None:
    attributes = semconv.usage(input_tokens=10, output_tokens=2, cache_write_tokens=7)
    assert attributes["gen_ai.usage.cache_creation.input_tokens"] == 7
    assert attributes["gen_ai.usage.cache_write.input_tokens"] == 7


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-5.5", "openai"),
        ("anthropic/claude-opus-4.8", "anthropic"),
        ("openrouter/anthropic/claude-opus-4.8", "openrouter"),
        ("bedrock/anthropic.claude", "aws.bedrock"),
        ("my-model", "openai"),
    ],
)
def test_providers_get_their_well_known_names(model: str, provider: str) -> None:
    assert semconv.provider_name(model) == provider


@given(
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 10**6),
    stop=st.lists(st.text(), max_size=3),
    stream=st.none() | st.booleans(),
)
def test_what_is_not_known_is_left_out_and_what_is_stays(
    temperature: float | None, max_tokens: int | None, stop: list[str], stream: bool | None
) -> None:
    attributes = semconv.chat_request(
        "m", temperature=temperature, max_tokens=max_tokens, stop=stop, stream=stream
    )
    assert None not in attributes.values()
    assert attributes.get("gen_ai.request.temperature") == temperature
    assert attributes.get("gen_ai.request.max_tokens") == max_tokens
    assert list(attributes.get("gen_ai.request.stop_sequences", ())) == stop  # type: ignore[arg-type]
    assert attributes.get("gen_ai.request.stream") == stream


def test_zero_is_a_count_not_an_absence() -> None:
    assert semconv.usage(input_tokens=0, output_tokens=0)["gen_ai.usage.output_tokens"] == 0


def test_only_content_carries_text_and_it_is_json() -> None:
    message = {"role": "user", "parts": [{"type": "text", "content": "grüße"}]}
    attributes = semconv.content(input_messages=[message], system="Be kind.")
    assert json.loads(str(attributes["gen_ai.input.messages"])) == [message]
    assert json.loads(str(attributes["gen_ai.system_instructions"])) == [
        {"type": "text", "content": "Be kind."}
    ]
    assert "gen_ai.output.messages" not in attributes
