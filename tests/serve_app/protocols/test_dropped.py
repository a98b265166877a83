"""What each door leaves out of a request, by name, for the run's record."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serve_app.protocols.anthropic_messages import translate as messages
from serve_app.protocols.anthropic_messages.wire import MessagesRequest
from serve_app.protocols.controls import Controls
from serve_app.protocols.dropped import MOST
from serve_app.protocols.openai_chat import translate as chat
from serve_app.protocols.openai_chat.wire import ChatCompletionRequest
from serve_app.protocols.openai_responses import translate as responses
from serve_app.protocols.openai_responses.wire import ResponseRequest

SECRET = "what nobody may see"
CACHED = {"cache_control": {"type": "ephemeral"}}


def of_chat(*said: dict[str, Any], **fields: Any) -> tuple[str, ...]:
    wired = {"model": "m", "messages": said or [{"role": "user", "content": "Hi"}], **fields}
    return chat.run_request(ChatCompletionRequest.model_validate(wired), Controls(), (), "run_1").dropped


def of_messages(*blocks: dict[str, Any], **fields: Any) -> tuple[str, ...]:
    content = blocks or "Hi"
    wired = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}], **fields}
    return messages.run_request(MessagesRequest.model_validate(wired), Controls(), (), "run_1").dropped


def of_responses(*items: dict[str, Any], **fields: Any) -> tuple[str, ...]:
    body = ResponseRequest.model_validate({"model": "m", "input": items or "Hi", **fields})
    asked = responses.asked(body, responses.input_items(body))
    return responses.run_request(body, asked, Controls(), (), "run_1").dropped


def test_nothing_is_dropped_of_what_every_door_carries() -> None:
    tool = {"name": "look", "parameters": {"type": "object", "x-odd": SECRET}}
    assert (
        of_chat(temperature=1, service_tier="flex", user="u", tools=[{"type": "function", "function": tool}])
        == ()
    )
    assert of_messages(temperature=1, top_k=3, metadata={"user_id": "u"}, tools=[{"name": "look"}]) == ()
    assert of_responses(metadata={"a": "b"}, include=["reasoning.encrypted_content"]) == ()


def test_chat_completions_names_what_it_leaves_out() -> None:
    part = {"type": "text", "text": "Hi", **CACHED}
    audio = {"type": "input_audio", "input_audio": {"data": SECRET, "format": "wav"}}
    assert of_chat(
        {"role": "user", "name": "Ada", "content": [part, part, audio]},
        logprobs=True,
        top_logprobs=2,
        metadata={"a": SECRET},
        base_url=SECRET,
        tools=[{"type": "web_search"}],
    ) == (
        "base_url",
        "logprobs",
        "messages.content.cache_control",
        "messages.name",
        "metadata",
        "tools.web_search",
        "top_logprobs",
    )


def test_messages_names_what_it_leaves_out() -> None:
    assert of_messages(
        {"type": "text", "text": "Hi", **CACHED},
        {"type": "server_tool_use", "id": "x", "name": "y", "input": {}},
        context_management={"edits": []},
        container=None,
        service_tier="auto",
        metadata={"user_id": "x" * 99},
        thinking={"type": "disabled"},
        tools=[
            {"type": "web_search_20260101", "name": "web_search"},
            {"type": "bash_20250124", "name": "bash"},
        ],
    ) == (
        "context_management",
        "messages.content.cache_control",
        "metadata.user_id",
        "service_tier",
        "thinking",
        "tools.web_search_20260101",
    )


def test_responses_names_what_it_leaves_out() -> None:
    said = {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": "Hi"}
    assert of_responses(
        said,
        {"type": "web_search_call", "id": "ws_1", "action": {}},
        truncation="auto",
        max_tool_calls=3,
        client_metadata={"a": SECRET},
        include=["web_search_call.action.sources"],
        tools=[{"type": "web_search", "external_web_access": True}],
    ) == ("client_metadata", "include", "max_tool_calls", "tools.web_search", "truncation")


def test_what_asks_for_nothing_is_not_dropped() -> None:
    assert (
        of_chat(logprobs=False, audio=None, functions=None, stream_options={"include_obfuscation": False})
        == ()
    )


@given(st.dictionaries(st.text(max_size=80), st.just(SECRET), max_size=60))
def test_only_names_of_fields_are_told_and_not_too_many(fields: dict[str, str]) -> None:
    told = of_chat(
        {"role": "user", "content": "Hi", **{f"{name}!": SECRET for name in fields}, "x" * 65: SECRET}
    )
    assert told == ()
    many = {f"field_{n}": SECRET for n in range(99)}
    assert len(of_chat(**many)) == MOST
