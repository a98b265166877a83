"""The tools that a client of Messages gives its model, as neutral tools: pure functions.

They are more than the list in the request. Deferred tools are hidden until the client's own tool search, or an
instruction, names them; instructions in the middle of the conversation add and remove tools. Of the types that
Anthropic defines, those that the client runs get the schema that Claude knows by heart; those that only Anthropic's
servers could run are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from serve_app.protocols.anthropic_messages import wire
from serve_app.protocols.neutral import ANYTHING
from workflows.messages import Tool

_VERSION = re.compile(r"_\d{8}$")
_SERVER_SEARCH = "tool_search_tool"

_TEXT = {"type": "string"}
_LINE = {"type": "integer"}
_EDITS = {
    "path": _TEXT,
    "file_text": _TEXT,
    "old_str": _TEXT,
    "new_str": _TEXT,
    "insert_line": _LINE,
    "insert_text": _TEXT,
    "view_range": {"type": "array", "items": _LINE},
}


def _commands(*names: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"command": {"type": "string", "enum": list(names)}, **_EDITS, **fields},
        "required": ["command"],
    }


_RUN_BY_THE_CLIENT: Mapping[str, tuple[str, dict[str, Any]]] = {
    "bash": (
        "Runs a command in a bash session that lasts, or restarts the session.",
        {"type": "object", "properties": {"command": _TEXT, "restart": {"type": "boolean"}}},
    ),
    "text_editor": (
        "Views, creates and edits files.",
        _commands("view", "create", "str_replace", "insert"),
    ),
    "memory": (
        "Keeps notes in files below /memories from one conversation to the next.",
        _commands(
            "view", "create", "str_replace", "insert", "delete", "rename", old_path=_TEXT, new_path=_TEXT
        ),
    ),
}
"""Descriptions and schemas of Anthropic's client tools, from its documentation of each, by type without version."""


def offered_tools(body: wire.CountTokensRequest) -> tuple[Tool, ...]:
    """The tools that the model has at the end of the conversation, in the order in which it got them."""
    declared = list(body.tools or ())
    # Where Anthropic's servers would search, nobody can: nothing may be hidden then.
    searched_by_server = any((tool.type or "").startswith(_SERVER_SEARCH) for tool in declared)
    known: dict[str, Tool] = {}
    offered: dict[str, Tool] = {}
    for wired in declared:
        if tool := _tool(wired):
            known[tool.name] = tool
            if searched_by_server or not wired.defer_loading:
                offered[tool.name] = tool
    for is_addition, named in _changes(body.messages):
        if isinstance(named, Tool):
            known[named.name] = named
        name = named.name if isinstance(named, Tool) else named
        if not is_addition:
            offered.pop(name, None)
        elif name in known:
            offered[name] = known[name]
    return tuple(offered.values())


def is_run_by_client(tool: wire.TypedTool) -> bool:
    """Whether a tool that Anthropic defines is one that the client runs."""
    return _VERSION.sub("", tool.type) in _RUN_BY_THE_CLIENT


def _tool(tool: wire.CustomTool | wire.TypedTool) -> Tool | None:
    if isinstance(tool, wire.CustomTool):
        return Tool(tool.name, tool.description or "", tool.input_schema or ANYTHING, tool.strict)
    kind = _VERSION.sub("", tool.type)
    if kind not in _RUN_BY_THE_CLIENT:
        return None
    return Tool(tool.name or kind, *_RUN_BY_THE_CLIENT[kind])


def _changes(messages: list[wire.ConversationMessage]) -> Iterator[tuple[bool, Tool | str]]:
    """Every addition (true) and removal (false) of a tool, oldest first: the tool itself or its name."""
    for message in messages:
        for block in message.content if isinstance(message.content, list) else ():
            match block:
                case wire.ToolChangeBlockIn(tool=changed):
                    defined = changed.definition and _tool(changed.definition)
                    yield block.type == "tool_addition", defined or changed.name or ""
                case wire.ToolResultBlockIn(content=list() as found):
                    for part in found:
                        if isinstance(part, wire.ToolReferenceBlockIn):
                            yield True, part.tool_name
