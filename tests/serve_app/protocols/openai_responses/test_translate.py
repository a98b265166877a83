"""Responses requests to the neutral conversation, and the client's tools both ways."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.protocols.controls import Controls
from serve_app.protocols.neutral import custom_arguments, custom_input
from serve_app.protocols.openai_responses.compaction import summary_message
from serve_app.protocols.openai_responses.seals import sealed
from serve_app.protocols.openai_responses.tools import (
    ClientTool,
    ToolNames,
)
from serve_app.protocols.openai_responses.translate import Asked, asked, input_items, run_request
from serve_app.protocols.openai_responses.wire import ResponseRequest
from workflows.answer import RunRequest
from workflows.errors import RequestInvalid
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Reasoning,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

ORIGIN = "openai_responses"


def body(*items: dict[str, Any] | str, **fields: Any) -> ResponseRequest:
    sent = items[0] if items and isinstance(items[0], str) else list(items)
    return ResponseRequest.model_validate({"model": "fusion-review", "input": sent or "Hello", **fields})


def understood(*items: dict[str, Any] | str, **fields: Any) -> Asked:
    request = body(*items, **fields)
    return asked(request, input_items(request))


def request(*items: dict[str, Any] | str, **fields: Any) -> ChatRequest:
    return understood(*items, **fields).request


def messages(*items: dict[str, Any] | str, **fields: Any) -> tuple[Message, ...]:
    return request(*items, **fields).messages


def run(mounted: tuple[str, ...] = (), *items: dict[str, Any] | str, **fields: Any) -> RunRequest:
    wired = body(*items, **fields)
    return run_request(wired, asked(wired, input_items(wired)), Controls(), mounted, "run_1")


USER = {"role": "user", "content": "Hello"}

# --- items --------------------------------------------------------------------------------------------------


def test_a_text_and_instructions() -> None:
    assert messages("Hello", instructions="Be brief.") == (
        Message.of("developer", "Be brief."),
        Message.of("user", "Hello"),
    )


def test_messages_with_and_without_a_type_in_every_role() -> None:
    assert messages(
        {"role": "system", "content": "One."},
        {"type": "message", "id": "msg_1", "role": "developer", "content": [part("input_text", "Two.")]},
        USER,
        {"type": "message", "role": "assistant", "content": [part("output_text", "Hi")], "phase": "x"},
    ) == (
        Message.of("system", "One."),
        Message.of("developer", "Two."),
        Message.of("user", "Hello"),
        Message.of("assistant", "Hi"),
    )


def part(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "text": text}


def test_images_files_and_parts_that_nobody_knows() -> None:
    upload = {"type": "input_image", "file_id": "file-1"}
    strange = {"type": "hologram", "depth": {"metres": 3}}
    content = [
        {"type": "input_image", "image_url": "https://x/i.png", "detail": "low"},
        {"type": "input_file", "file_data": "data:text/plain;base64,AA", "filename": "a.txt"},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        upload,
        strange,
    ]
    assert messages({"role": "user", "content": content})[0].parts == (
        Image("https://x/i.png", "low"),
        File("data:text/plain;base64,AA", "a.txt"),
        File("https://x/a.pdf"),
        Foreign(ORIGIN, upload),
        Foreign(ORIGIN, strange),
    )


def test_the_items_of_one_turn_are_one_message_of_the_assistant() -> None:
    told = messages(
        USER,
        {"type": "reasoning", "id": "rs_1", "summary": [part("summary_text", "Hmm")]},
        {"role": "assistant", "content": [part("output_text", "Looking.")]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "spawn", "namespace": "agents", "arguments": {}},
        {"type": "function_call_output", "id": "fco_1", "call_id": "c1", "output": "found"},
        {"type": "function_call_output", "call_id": "c2", "output": [part("input_text", "done")]},
        {"role": "assistant", "content": "One."},
        {"role": "assistant", "content": "Two."},
    )
    assert told[1:] == (
        Message(
            "assistant",
            (
                Reasoning("Hmm"),
                Text("Looking."),
                ToolCall("c1", "look", "{}"),
                ToolCall("c2", "agents__spawn", "{}"),
            ),
        ),
        Message("tool", (ToolResult("c1", (Text("found"),)),)),
        Message("tool", (ToolResult("c2", (Text("done"),)),)),
        Message.of("assistant", "One."),
        Message.of("assistant", "Two."),
    )


def test_a_tool_may_answer_in_parts_and_no_part_is_lost() -> None:
    output = [part("input_text", "see"), {"type": "input_image", "image_url": "u"}, {"type": "odd", "n": 1}]
    [message] = messages({"type": "custom_tool_call_output", "call_id": "c1", "output": output})
    assert message.parts == (ToolResult("c1", (Text("see"), Image("u"), Text('{"type": "odd", "n": 1}'))),)


def test_a_custom_call_carries_its_input_as_an_argument() -> None:
    [message] = messages(
        {
            "type": "custom_tool_call",
            "call_id": "c1",
            "name": "exec",
            "namespace": "functions",
            "input": "ls\n",
        }
    )
    assert message.tool_calls == (ToolCall("c1", "functions__exec", '{"input": "ls\\n"}'),)


def test_what_only_its_maker_can_read_is_carried_beside_the_next_message() -> None:
    sealed_elsewhere = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    told = messages(USER, sealed_elsewhere, search, {"role": "user", "content": "Go on"})
    assert told[1] == Message(
        "user", (Foreign(ORIGIN, sealed_elsewhere), Foreign(ORIGIN, search), Text("Go on"))
    )


def test_thinking_that_we_sealed_is_read_again() -> None:
    item = {"type": "reasoning", "summary": [], "encrypted_content": sealed("thinking", "Hmm")}
    assert messages(item)[0].parts == (Reasoning("Hmm"),)


def test_a_compaction_of_ours_is_unpacked_and_a_foreign_one_is_admitted() -> None:
    ours = {"type": "compaction", "id": "cmp_1", "encrypted_content": sealed("summary", "All done")}
    foreign = {"type": "compaction", "encrypted_content": "gAAAA"}
    assert messages(ours, USER)[0] == summary_message("All done")
    assert "another server" in messages(foreign, USER)[0].text
    with pytest.raises(RequestInvalid) as caught:
        messages(USER, {**ours, "encrypted_content": ours["encrypted_content"][:-6]})
    assert caught.value.field == "input.1.encrypted_content"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
        {"type": "local_shell_call", "id": "lsh_1", "call_id": "c1", "action": {}, "status": "completed"},
        {"type": "local_shell_call_output", "id": "lsh_1", "output": "{}"},
        {"type": "mcp_list_tools", "id": "mcp_1", "server_label": "x", "tools": []},
        {"type": "tool_search_call", "arguments": {}},
        {"type": "tool_search_output", "tools": [{"type": "hologram"}]},
        {"type": "additional_tools", "role": "developer", "tools": []},
        {"type": "of_the_future", "depth": {"metres": 3}},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": None},
        {"type": "function_call_output", "call_id": "c1", "output": None, "internal_passthrough": {}},
        {"role": "assistant", "content": None},
    ],
)
def test_no_item_is_a_reason_to_refuse_the_request(item: dict[str, Any]) -> None:
    told = messages(USER, item, {"role": "user", "content": "Go on"})
    assert told[0] == Message.of("user", "Hello")
    assert told[-1].text == "Go on"


def test_an_empty_conversation_is_refused() -> None:
    with pytest.raises(RequestInvalid):
        asked(ResponseRequest(model="m", instructions="Be brief."), [])


# --- tools --------------------------------------------------------------------------------------------------

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Patches.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
AGENTS = {"type": "namespace", "name": "agents", "description": "Helpers.", "tools": [{**LOOK, "name": "go"}]}
SEARCH = {
    "type": "tool_search",
    "execution": "client",
    "description": "Finds.",
    "parameters": {"type": "object"},
}
WEB = {"type": "web_search", "external_web_access": True}
ONE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def test_tools_of_every_type_are_taken_and_hosted_ones_left_out() -> None:
    assert request(tools=[LOOK, PATCH, AGENTS, SEARCH, WEB, {"type": "tool_search"}]).tools == (
        Tool("look", "", {"type": "object"}, strict=False),
        Tool(
            "apply_patch",
            "Patches.\n\nThe whole `input` must follow this lark grammar:\nstart: x",
            ONE_TEXT,
        ),
        Tool("agents__go", "Helpers.", {"type": "object"}, strict=False),
        Tool("tool_search", "Finds.", {"type": "object"}),
    )


def test_tools_in_the_conversation_are_offered_too() -> None:
    exec_tool = {"type": "custom", "name": "exec"}
    more = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "namespace", "name": "functions", "tools": [exec_tool]}],
    }
    found = {"type": "tool_search_output", "call_id": "c1", "tools": [AGENTS]}
    search = {"type": "tool_search_call", "call_id": "c1", "arguments": {"query": "x"}}
    asked_for = request(more, USER, search, found)
    assert [tool.name for tool in asked_for.tools] == ["functions__exec", "agents__go"]
    assert asked_for.messages[1:] == (
        Message("assistant", (ToolCall("c1", "tool_search", '{"query": "x"}'),)),
        Message("tool", (ToolResult("c1", (Text("Tools found: agents__go"),)),)),
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "look"}, ToolChoice("named", "look")),
        ({"type": "function", "name": "go", "namespace": "agents"}, ToolChoice("named", "agents__go")),
        ({"type": "custom", "name": "apply_patch"}, ToolChoice("named", "apply_patch")),
        ({"type": "web_search_preview"}, ToolChoice()),
        ({"type": "mcp", "server_label": "x"}, ToolChoice()),
    ],
)
def test_tool_choices(choice: Any, expected: ToolChoice) -> None:
    assert request(tools=[LOOK, PATCH, AGENTS], tool_choice=choice).tool_choice == expected


def test_allowed_tools_are_the_only_ones_offered() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]}
    asked_for = request(tools=[LOOK, PATCH], tool_choice=choice)
    assert asked_for.tool_choice == ToolChoice("required")
    assert [tool.name for tool in asked_for.tools] == ["look"]


def test_a_choice_of_a_mounted_tool_is_a_wish_for_the_panel() -> None:
    wish = run(("problem_review",), tool_choice={"type": "function", "name": "problem_review"})
    assert (wish.panel, wish.panel_tool) == ("always", "problem_review")
    with pytest.raises(RequestInvalid):
        run((), tool_choice={"type": "function", "name": "problem_review"})


any_name = st.text(min_size=1, max_size=80)
client_tool = st.builds(
    ClientTool, st.sampled_from(["function", "custom"]), any_name, st.none() | any_name | st.just("a__b")
)


@given(st.lists(client_tool, max_size=8))
def test_flat_names_lead_back_to_their_tool_and_every_provider_takes_them(tools: list[ClientTool]) -> None:
    names = ToolNames(tools)
    flat = [names.flat(tool) for tool in tools]
    assert [names.tool(name) for name in flat] == tools
    assert len(set(flat)) == len(set(tools))
    for name in flat:
        assert 0 < len(name) <= 64
        assert name.replace("_", "").replace("-", "").isascii()
        assert " " not in name


def test_names_that_meet_when_flattened_stay_apart() -> None:
    nested, plain = ClientTool("function", "b", "a"), ClientTool("function", "a__b")
    names = ToolNames([nested, plain])
    assert names.flat(nested) != names.flat(plain)
    assert names.tool(names.flat(plain)) == plain


@given(st.text())
def test_free_text_survives_the_way_through_arguments(text: str) -> None:
    assert custom_input(custom_arguments(text)) == text


def test_a_model_that_does_not_keep_to_the_schema_is_taken_at_its_word() -> None:
    assert custom_input("*** Begin Patch") == "*** Begin Patch"
    assert custom_input('{"patch": "x"}') == "x"
    assert custom_input('{"a": "x", "b": 1}') == '{"a": "x", "b": 1}'


# --- parameters ---------------------------------------------------------------------------------------------


def test_parameters_pass_through_and_unknown_fields_do_not() -> None:
    asked_for = request(
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=100,
        reasoning={"effort": "high", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "text"}},
        prompt_cache_key="k",
        client_metadata={"turn_id": "t"},
        api_base="http://evil",
        background=True,
        truncation="auto",
        parallel_tool_calls=False,
    )
    assert asked_for.sampling == Sampling(
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        reasoning_effort="high",
        extra={"prompt_cache_key": "k", "verbosity": "low"},
    )
    assert asked_for.parallel_tool_calls is False
    assert asked_for.response_format is None


def test_demands_on_the_form() -> None:
    schema = {"type": "object"}
    form = {"type": "json_schema", "name": "Plan", "schema": schema, "strict": True}
    assert request(text={"format": form}).response_format == ResponseFormat(
        "json_schema", "Plan", schema, strict=True
    )
    assert request(text={"format": {"type": "json_object"}}).response_format == ResponseFormat("json_object")
