"""Which tools the model has: declared, deferred, searched for, added and removed, or of Anthropic's own types."""

from typing import Any

import jsonschema
import pytest

from serve_app.protocols.anthropic_messages.tools import offered_tools
from serve_app.protocols.anthropic_messages.wire import CountTokensRequest
from workflows.messages import Tool

HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
LOOK = {"name": "look", "input_schema": SCHEMA, "eager_input_streaming": True}
FETCH = {"name": "fetch", "description": "Fetches.", "input_schema": SCHEMA, "defer_loading": True}


def offered(*tools: dict[str, Any], messages: tuple[dict[str, Any], ...] = ()) -> tuple[Tool, ...]:
    return offered_tools(
        CountTokensRequest.model_validate({"model": "m", "messages": [HELLO, *messages], "tools": tools})
    )


def names(*tools: dict[str, Any], messages: tuple[dict[str, Any], ...] = ()) -> list[str]:
    return [tool.name for tool in offered(*tools, messages=messages)]


def found(*tools: str) -> dict[str, Any]:
    """The result of the client's own tool search."""
    references = [{"type": "tool_reference", "tool_name": name} for name in tools]
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "c1", "content": references}],
    }


def changed(kind: str, **tool: Any) -> dict[str, Any]:
    """An instruction that changes the tools."""
    return {"role": "system", "content": [{"type": kind, "tool": tool}]}


def test_declared_tools_of_every_form() -> None:
    typed = {"type": "custom", **LOOK, "name": "list", "strict": True, "description": "Lists."}
    assert offered(LOOK, typed, {"name": "wait"}) == (
        Tool("look", "", SCHEMA),
        Tool("list", "Lists.", SCHEMA, strict=True),
        Tool("wait", "", {"type": "object", "properties": {}}),
    )


def test_a_deferred_tool_is_hidden_until_the_clients_search_finds_it() -> None:
    assert names(LOOK, FETCH) == ["look"]
    assert names(LOOK, FETCH, messages=(found("fetch"),)) == ["look", "fetch"]


def test_what_only_anthropics_servers_could_search_for_is_not_hidden() -> None:
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    assert names(search, LOOK, FETCH) == ["look", "fetch"]


def test_instructions_add_and_remove_tools() -> None:
    add = changed("tool_addition", type="tool_reference", name="fetch")
    remove_look = changed("tool_removal", type="tool_reference", name="look")
    remove_fetch = changed("tool_removal", type="tool_reference", name="fetch")
    assert names(LOOK, FETCH, messages=(add, remove_look)) == ["fetch"]
    assert names(LOOK, FETCH, messages=(add, remove_fetch)) == ["look"]


def test_instructions_can_define_a_tool() -> None:
    define = changed("tool_addition", type="tool_definition", definition=LOOK)
    assert offered(messages=(define,)) == (Tool("look", "", SCHEMA),)


def test_a_tool_that_was_removed_can_be_added_again() -> None:
    define = changed("tool_addition", type="tool_definition", definition=LOOK)
    remove = changed("tool_removal", type="tool_reference", name="look")
    again = changed("tool_addition", type="tool_reference", name="look")
    assert names(messages=(define, remove, again)) == ["look"]


@pytest.mark.parametrize(
    "message",
    [
        found("lost"),
        changed("tool_addition", type="tool_reference", name="lost"),
        changed("tool_removal", type="tool_reference", name="lost"),
        changed("tool_addition", type="mcp_toolset_reference", server_name="s"),
        changed("tool_addition", type="tool_definition", definition={"type": "web_search_20250305"}),
    ],
)
def test_changes_of_tools_that_nobody_knows_are_ignored(message: dict[str, Any]) -> None:
    assert names(LOOK, messages=(message,)) == ["look"]


@pytest.mark.parametrize(
    ("tool", "call"),
    [
        ({"type": "bash_20250124", "name": "bash"}, {"command": "ls"}),
        (
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            {"command": "view", "path": "/a", "view_range": [1, 9]},
        ),
        (
            {"type": "memory_20250818", "name": "memory"},
            {"command": "rename", "old_path": "/memories/a", "new_path": "/memories/b"},
        ),
    ],
)
def test_tools_that_the_client_runs_get_the_schema_that_claude_knows(
    tool: dict[str, Any], call: dict[str, Any]
) -> None:
    [found_tool] = offered(tool)
    assert found_tool.name == tool["name"]
    assert found_tool.description
    jsonschema.Draft202012Validator.check_schema(found_tool.input_schema)
    jsonschema.validate(call, found_tool.input_schema)


def test_tools_that_only_anthropics_servers_run_and_unknown_types_are_left_out() -> None:
    foreign = ("web_search_20250305", "code_execution_20250825", "mcp_toolset", "hologram_20290101")
    assert names(*({"type": kind, "name": "x"} for kind in foreign), LOOK) == ["look"]
