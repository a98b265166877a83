"""The client's tools as the main LLM sees them, and their calls as the client knows them: pure functions.

Models call functions by one flat name; clients of Responses also have tools that take free text, tools in
namespaces, and a search for more tools. So each gets a flat name and a JSON schema on its way in (`offered`), and
`ToolNames` finds type, name and namespace again on the way out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from serve_app.protocols.neutral import ANYTHING, ONE_TEXT, custom_description, custom_input
from serve_app.protocols.openai_responses import wire
from workflows.messages import Tool, ToolCall

_LONGEST_NAME = 64
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
TOOL_SEARCH = "tool_search"


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool as its client knows it."""

    kind: Literal["function", "custom", "tool_search"]
    name: str
    namespace: str | None = None


class ToolNames:
    """The flat names of a request's tools, both ways."""

    def __init__(self, tools: Iterable[ClientTool]) -> None:
        self._flat: dict[ClientTool, str] = {}
        self._tools: dict[str, ClientTool] = {}
        for tool in tools:
            if tool in self._flat:
                continue
            name = _flattened(tool)
            if name in self._tools:
                name = _hashed(tool, name)
            self._flat[tool] = name
            self._tools[name] = tool

    def flat(self, tool: ClientTool) -> str:
        """The flat name of a tool, also of one that is no longer offered."""
        return self._flat.get(tool) or _flattened(tool)

    def tool(self, flat: str) -> ClientTool:
        """The tool of that flat name; a function of that name when it is none of the client's."""
        return self._tools.get(flat, ClientTool("function", flat))

    def chosen(self, name: str, namespace: str | None) -> str:
        """The flat name that a tool choice means; `name` itself when the client has no such tool."""
        for tool, flat in self._flat.items():
            if tool.name == name and namespace in (None, tool.namespace):
                return flat
        return name


def client_tools(tools: Iterable[wire.ToolIn]) -> Iterator[ClientTool]:
    """The tools in order, without those that only a provider could run."""
    for tool, namespace, _ in _each(tools):
        yield _client_tool(tool, namespace)


def offered(tools: Iterable[wire.ToolIn], names: ToolNames) -> tuple[Tool, ...]:
    """The tools for the main LLM, each once; of two with one name the later counts."""
    known: dict[str, Tool] = {}
    for tool, namespace, about in _each(tools):
        name = names.flat(_client_tool(tool, namespace))
        known[name] = _neutral(tool, name, about)
    return tuple(known.values())


def call_item(call: ToolCall, tool: ClientTool, item_id: str, status: str) -> dict[str, Any]:
    """A call as an output item, in the type, name and namespace that the client used."""
    shared = {"id": item_id, "call_id": call.id, "status": status}
    space = {"namespace": tool.namespace} if tool.namespace else {}
    if tool.kind == "function":
        return {"type": "function_call", **shared, "name": tool.name, **space, "arguments": call.arguments}
    if tool.kind == "tool_search":
        return {
            "type": "tool_search_call",
            **shared,
            "execution": "client",
            "arguments": _object(call.arguments),
        }
    # The SDK's type of this item has no status.
    del shared["status"]
    text = custom_input(call.arguments)
    return {"type": "custom_tool_call", **shared, "name": tool.name, **space, "input": text}


def echoed(tools: Iterable[wire.ToolIn]) -> list[dict[str, Any]]:
    """The tools that are in effect, as a response repeats them."""
    return [_echoed(tool) for tool in tools if not isinstance(tool, wire.OtherTool) and not _is_hosted(tool)]


def _each(
    tools: Iterable[wire.ToolIn], namespace: wire.NamespaceTool | None = None
) -> Iterator[tuple[wire.FunctionTool | wire.CustomTool | wire.ToolSearchTool, str | None, str]]:
    """Each tool that the client runs, with its namespace and what the namespace says about itself (told once)."""
    about = (namespace and namespace.description) or ""
    for tool in tools:
        match tool:
            case wire.NamespaceTool():
                yield from _each(tool.tools, tool)
            case wire.FunctionTool() | wire.CustomTool() | wire.ToolSearchTool() if not _is_hosted(tool):
                yield tool, namespace.name if namespace else None, about
                about = ""


def _is_hosted(tool: wire.ToolIn) -> bool:
    """Whether OpenAI's servers would look for tools; here nobody could, so all tools are shown from the start."""
    return isinstance(tool, wire.ToolSearchTool) and tool.execution != "client"


def _client_tool(
    tool: wire.FunctionTool | wire.CustomTool | wire.ToolSearchTool, namespace: str | None
) -> ClientTool:
    if isinstance(tool, wire.ToolSearchTool):
        return ClientTool("tool_search", TOOL_SEARCH, namespace)
    return ClientTool(tool.type, tool.name, namespace)


def _neutral(tool: wire.FunctionTool | wire.CustomTool | wire.ToolSearchTool, name: str, about: str) -> Tool:
    said = [text for text in (about, tool.description) if text]
    match tool:
        case wire.CustomTool():
            form = tool.format or wire.Grammar(type="text")
            syntax, definition = form.syntax or form.type, form.definition or ""
            return Tool(name, custom_description(*said, syntax=syntax, definition=definition), ONE_TEXT)
        case wire.FunctionTool():
            return Tool(name, "\n\n".join(said), tool.parameters or ANYTHING, tool.strict)
        case _:
            return Tool(name, "\n\n".join(said), tool.parameters or ANYTHING)


def _flattened(tool: ClientTool) -> str:
    name = f"{tool.namespace}__{tool.name}" if tool.namespace else tool.name
    safe = _NOT_IN_A_NAME.sub("_", name)
    return safe if safe == name and len(name) <= _LONGEST_NAME else _hashed(tool, safe)


def _hashed(tool: ClientTool, name: str) -> str:
    digest = hashlib.sha256(f"{tool.kind}\0{tool.namespace}\0{tool.name}".encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - len(digest) - 1]}_{digest}"


def _object(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return {"query": arguments}


def _echoed(tool: wire.ToolIn) -> dict[str, Any]:
    match tool:
        case wire.FunctionTool():
            return {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": tool.strict,
            }
        case wire.CustomTool():
            form = (
                tool.format.model_dump(include={"type", "syntax", "definition"}, exclude_unset=True)
                if tool.format
                else {"type": "text"}
            )
            return {"type": "custom", "name": tool.name, "description": tool.description, "format": form}
        case wire.NamespaceTool():
            return {
                "type": "namespace",
                "name": tool.name,
                "description": tool.description or "",
                "tools": echoed(tool.tools),
            }
        case _:
            return tool.model_dump(
                include={"type", "execution", "description", "parameters"}, exclude_unset=True
            )
