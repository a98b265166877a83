"""Anthropic Messages to the neutral conversation and back."""

import json
from typing import Any

import pytest

from serve_app.protocols.anthropic_messages.translate import (
    chat_request,
    run_request,
    shows_thinking,
)
from serve_app.protocols.anthropic_messages.wire import CountTokensRequest, MessagesRequest
from serve_app.protocols.controls import Controls
from workflows.answer import RunRequest
from workflows.errors import RequestInvalid
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Sampling,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)

HELLO = {"role": "user", "content": "Hello"}
LOOK = {"name": "look", "input_schema": {"type": "object"}}
CACHED = {"cache_control": {"type": "ephemeral"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "AA"}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "AA"}


def body(*messages: dict[str, Any], **fields: Any) -> MessagesRequest:
    return MessagesRequest.model_validate(
        {"model": "fusion-review", "max_tokens": 100, "messages": messages or (HELLO,), **fields}
    )


def asked(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return chat_request(body(*messages, **fields))


def parts(content: Any, role: str = "user") -> tuple[Part, ...]:
    return asked({"role": role, "content": content}).messages[0].parts


# --- messages -----------------------------------------------------------------------------------------------


def test_a_plain_conversation() -> None:
    blocks = [{"type": "text", "text": "Say "}, {"type": "text", "text": "it", **CACHED}]
    request = asked(
        HELLO,
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": blocks},
        system="Be brief.",
    )
    assert request.messages == (
        Message.of("system", "Be brief."),
        Message.of("user", "Hello"),
        Message.of("assistant", "Hi"),
        Message("user", (Text("Say "), Text("it"))),
    )


def test_a_system_prompt_of_blocks_is_one_text_without_the_billing_line() -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.f8c;"},
        {"type": "text", "text": "You are an agent.", **CACHED},
        {"type": "text", "text": ""},
        {"type": "text", "text": "Be brief."},
    ]
    assert asked(system=system).messages[0] == Message.of("system", "You are an agent.\n\nBe brief.")


@pytest.mark.parametrize("content", ["It is Sunday.", [{"type": "text", "text": "It is Sunday.", **CACHED}]])
@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_in_the_middle_stay_in_their_place(role: Any, content: Any) -> None:
    middle = {"role": role, "content": content}
    messages = asked(HELLO, middle, {"role": "assistant", "content": "Hi"}).messages
    assert messages[1] == Message.of(role, "It is Sunday.")


@pytest.mark.parametrize("fields", [{"content": []}, {"output_config": {"effort": "low"}}])
def test_instructions_without_a_text_are_no_message(fields: dict[str, Any]) -> None:
    assert len(asked(HELLO, {"role": "system", **fields}).messages) == 1


def test_instructions_that_hold_until_the_user_speaks_are_over_then() -> None:
    passing = {"role": "system", "content": "Hurry.", "clear_at": "next_user_message"}
    assert len(asked(HELLO, passing).messages) == 2
    assert len(asked(HELLO, passing, HELLO).messages) == 2


def test_images() -> None:
    content = [
        {"type": "image", "source": PNG, **CACHED},
        {"type": "image", "source": {"type": "url", "url": "https://x/i.png"}},
    ]
    assert parts(content) == (Image("data:image/png;base64,AA"), Image("https://x/i.png"))


def test_documents_by_data_and_by_address_are_files() -> None:
    content = [
        {"type": "document", "source": PDF, "title": "plan.pdf", "context": "Last year's"},
        {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
    ]
    assert parts(content) == (
        Text("Last year's"),
        File("data:application/pdf;base64,AA", "plan.pdf"),
        File("https://x/a.pdf", "document.pdf"),
    )


def test_documents_of_text_are_text() -> None:
    text = {"type": "text", "media_type": "text/plain", "data": "Ship it."}
    blocks = [{"type": "text", "text": "Ship"}, {"type": "image", "source": PNG}]
    content = [
        {"type": "document", "source": text, "title": "Plan", "context": "Draft"},
        {"type": "document", "source": {"type": "content", "content": "Ship it."}},
        {"type": "document", "source": {"type": "content", "content": blocks}, "title": "Plan"},
    ]
    assert parts(content) == (
        Text("Plan\n\nDraft\n\nShip it."),
        Text("Ship it."),
        Text("Plan"),
        Text("Ship"),
        Image("data:image/png;base64,AA"),
    )


def test_search_results_are_text() -> None:
    found = {
        "type": "search_result",
        "source": "https://x",
        "title": "X",
        "content": [{"type": "text", "text": "All of it"}],
    }
    assert parts([found]) == (Text("X\nhttps://x\nAll of it"),)


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "Plan"},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result"}]},
        {"type": "hologram", "depth": {"metres": 3}},
    ],
)
def test_a_block_without_a_neutral_form_is_carried_whole(block: dict[str, Any], role: str) -> None:
    assert parts([block], role) == (Foreign("anthropic_messages", block),)


def test_thoughts_keep_their_signature() -> None:
    content = [{"type": "thinking", "thinking": "Hmm", "signature": "abc"}, {"type": "text", "text": "Hi"}]
    assert parts(content, "assistant") == (Reasoning("Hmm", "abc"), Text("Hi"))


def test_a_tool_call_and_what_came_of_it() -> None:
    call = {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": "ä"}, "caller": {"type": "direct"}}
    results = [
        {"type": "tool_result", "tool_use_id": "c1", "content": "found", **CACHED},
        {"type": "tool_result", "tool_use_id": "c2", "content": "no such thing", "is_error": True},
    ]
    request = asked(HELLO, {"role": "assistant", "content": [call]}, {"role": "user", "content": results})
    assert request.messages[1:] == (
        Message("assistant", (ToolCall("c1", "look", '{"q": "ä"}'),)),
        Message("tool", (ToolResult("c1", (Text("found"),)),)),
        Message("tool", (ToolResult("c2", (Text("no such thing"),), is_error=True),)),
    )


def test_what_the_user_says_beside_tool_results_comes_after_them() -> None:
    """Providers want results directly behind the calls."""
    content = [
        {"type": "text", "text": "Stop"},
        {"type": "tool_result", "tool_use_id": "c1"},
        {"type": "text", "text": "it"},
    ]
    assert asked({"role": "user", "content": content}).messages == (
        Message("tool", (ToolResult("c1", ()),)),
        Message("user", (Text("Stop"), Text("it"))),
    )


def test_a_tool_may_answer_in_blocks_and_no_block_is_lost() -> None:
    content = [
        {"type": "text", "text": "see"},
        {"type": "image", "source": PNG},
        {"type": "tool_reference", "tool_name": "WebFetch"},
        {"type": "hologram", "depth": 3},
    ]
    answered_by = (
        Text("see"),
        Image("data:image/png;base64,AA"),
        Text("The tool `WebFetch` can be called now.\n"),
        Text('{"type": "hologram", "depth": 3}'),
    )
    result = {"type": "tool_result", "tool_use_id": "c1", "content": content}
    assert parts([result]) == (ToolResult("c1", answered_by),)


# --- tools and parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (None, ToolChoice()),
        ({"type": "auto"}, ToolChoice()),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "look"}, ToolChoice("named", "look")),
    ],
)
def test_every_form_of_tool_choice(sent: Any, meant: ToolChoice) -> None:
    request = asked(tools=[LOOK], tool_choice=sent)
    assert (request.tool_choice, request.parallel_tool_calls) == (meant, None)


def test_parallel_tools_can_be_switched_off() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert asked(tools=[LOOK], tool_choice=choice).parallel_tool_calls is False


def test_a_tool_choice_without_a_name_is_refused() -> None:
    with pytest.raises(RequestInvalid, match=r"tool_choice\.name"):
        asked(tools=[LOOK], tool_choice={"type": "tool"})


def test_structured_output_in_both_places() -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    meant = ResponseFormat("json_schema", schema={"type": "object"})
    assert asked(output_config={"effort": "low", "format": wanted}).response_format == meant
    assert asked(output_format=wanted).response_format == meant
    assert asked(output_config={"format": {"type": "haiku"}}).response_format is None


LITTLE = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({}, None),
        ({"output_config": {"effort": "low"}}, "low"),
        ({"output_config": {"effort": "xhigh"}}, "high"),
        ({"output_config": {"effort": "max"}, "thinking": {"type": "adaptive"}}, "high"),
        ({"output_config": {"effort": "heroic"}}, None),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, None),
        ({"thinking": {"type": "disabled"}}, None),
        ({"thinking": LITTLE}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 31_999}}, "high"),
        ({"thinking": LITTLE, "output_config": {"effort": "high"}}, "high"),
    ],
)
def test_effort_is_said_or_follows_from_the_thinking_budget(fields: Any, effort: str | None) -> None:
    assert asked(**fields).sampling.reasoning_effort == effort


@pytest.mark.parametrize(
    ("thinking", "shown"),
    [
        (None, True),
        ({"type": "adaptive"}, True),
        ({"type": "adaptive", "display": "updates"}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
        ({"type": "disabled"}, False),
    ],
)
def test_thinking_is_shown_unless_the_client_does_not_want_it(thinking: Any, shown: bool) -> None:
    assert shows_thinking(body(thinking=thinking)) is shown


def test_parameters() -> None:
    request = asked(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=20,
        stop_sequences=["a", "b"],
        metadata={"user_id": "ann"},
    )
    assert request.sampling == Sampling(
        temperature=0.5,
        top_p=0.9,
        max_tokens=20,
        stop=("a", "b"),
        extra={"top_k": 40, "user": "ann"},
    )


def test_neither_an_account_nor_an_unknown_field_reaches_a_provider() -> None:
    """A provider's client could take one for an address or a key."""
    account = json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": "s" * 36})
    unknown = {"api_base": "http://evil", "api_key": "x", "service_tier": "auto", "speed": "fast"}
    agents = {
        "context_management": {"edits": []},
        "safeguards": [{"type": "dangerous_tool_use"}],
        "mcp_servers": [],
        "container": "c",
        "betas": ["b"],
        "cache_control": {"type": "ephemeral"},
    }
    assert asked(**unknown, **agents, metadata={"user_id": account}).sampling == Sampling(max_tokens=100)


def test_a_conversation_to_be_counted_needs_no_parameters() -> None:
    counted = CountTokensRequest.model_validate({"model": "fusion-review", "messages": [HELLO]})
    assert chat_request(counted) == ChatRequest((Message.of("user", "Hello"),))


# --- the run ------------------------------------------------------------------------------------------------

FREE = Controls()


def run(controls: Controls = FREE, **fields: Any) -> RunRequest:
    return run_request(body(**fields), controls, {"problem_review"}, "run_1")


def test_the_run_takes_over_the_controls() -> None:
    accepted = run(Controls(panel="never", depth=2, traceparent="00-a-b-01"), stream=True)
    assert accepted == RunRequest(
        run_id="run_1",
        virtual_model="fusion-review",
        protocol="anthropic_messages",
        request=ChatRequest((Message.of("user", "Hello"),), sampling=Sampling(max_tokens=100)),
        stream=True,
        panel="never",
        depth=2,
        traceparent="00-a-b-01",
    )


def test_naming_a_mounted_tool_asks_for_the_panel_and_leaves_the_main_llm_free() -> None:
    accepted = run(tool_choice={"type": "tool", "name": "problem_review"})
    assert (accepted.panel, accepted.panel_tool) == ("always", "problem_review")
    assert accepted.request.tool_choice == ToolChoice()


def test_choosing_a_tool_that_nobody_has_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="tool_choice: `lost`"):
        run(tool_choice={"type": "tool", "name": "lost"})
