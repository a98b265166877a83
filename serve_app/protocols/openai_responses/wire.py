"""Responses on the wire, inwards: lenient pydantic models. What goes out is in `wire_out`.

Unknown fields, item types, part types and tool types are accepted (`translate` says what becomes of them).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from serve_app.protocols.lenient import Lenient, by_type

# --- items ----------------------------------------------------------------------------------------------


class TextPart(Lenient):
    """Plain text; the type says who wrote it, and so does the message's role."""

    type: Literal["input_text", "output_text", "text", "summary_text", "reasoning_text"]
    text: str


class RefusalPart(Lenient):
    """An assistant's refusal."""

    type: Literal["refusal"]
    refusal: str


class ImagePart(Lenient):
    """An image by address, or by the id of an upload."""

    type: Literal["input_image"]
    image_url: str | None = None
    detail: str | None = None


class FilePart(Lenient):
    """A file: whole as a data URL, by address, or by the id of an upload."""

    type: Literal["input_file"]
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class OtherPart(Lenient):
    """A part of a type that is only carried through."""

    is_opaque = True
    type: str


_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")


def _part_tag(value: Any) -> str:
    tag = by_type(*_TEXTS, "refusal", "input_image", "input_file")(value)
    return "text" if tag in _TEXTS else tag


ContentPart: TypeAlias = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[RefusalPart, Tag("refusal")]
    | Annotated[ImagePart, Tag("input_image")]
    | Annotated[FilePart, Tag("input_file")]
    | Annotated[OtherPart, Tag("other")],
    Discriminator(_part_tag),
]
Content: TypeAlias = str | list[ContentPart]


class MessageItem(Lenient):
    """A message; many clients leave out its type."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Content | None = None


class FunctionCallItem(Lenient):
    """A call of a function in the conversation so far."""

    type: Literal["function_call"]
    call_id: str
    name: str
    namespace: str | None = None
    arguments: str | dict[str, Any] = ""


class CustomCallItem(Lenient):
    """A call of a tool that takes free text."""

    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    namespace: str | None = None
    input: str = ""


class ToolSearchCallItem(Lenient):
    """The model looked for tools."""

    type: Literal["tool_search_call"]
    call_id: str | None = None
    arguments: Any = None


class CallOutputItem(Lenient):
    """What the client's tool answered."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: Content | None = None


class ReasoningItem(Lenient):
    """A model's thinking, readable or sealed by whoever ran it."""

    type: Literal["reasoning"]
    summary: list[ContentPart] | None = None
    content: list[ContentPart] | None = None
    encrypted_content: str | None = None


class CompactionItem(Lenient):
    """What is left of a conversation that was made shorter."""

    type: Literal["compaction", "compaction_summary"]
    encrypted_content: str


class CompactionTriggerItem(Lenient):
    """The wish to have the conversation before it made shorter."""

    type: Literal["compaction_trigger"]


class OtherItem(Lenient):
    """An item of a type that is only carried through; a bare id refers to an item of an earlier response."""

    is_opaque = True
    type: str | None = None
    id: str | None = None


# --- tools ----------------------------------------------------------------------------------------------


class FunctionTool(Lenient):
    """A function that the client offers."""

    type: Literal["function"]
    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Grammar(Lenient):
    """The form of a custom tool's text."""

    type: str
    syntax: str = ""
    definition: str = ""


class CustomTool(Lenient):
    """A tool that takes free text, possibly in the form of a grammar."""

    type: Literal["custom"]
    name: str = Field(min_length=1)
    description: str | None = None
    format: Grammar | None = None


class ToolSearchTool(Lenient):
    """The model may look for more tools; who looks is `execution`."""

    type: Literal["tool_search"]
    execution: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class NamespaceTool(Lenient):
    """Tools under one name."""

    type: Literal["namespace"]
    name: str = Field(min_length=1)
    description: str | None = None
    tools: list[ToolIn]


class OtherTool(Lenient):
    """A tool of a type that we do not know, such as a provider's own web search."""

    is_opaque = True
    type: str


ToolIn: TypeAlias = Annotated[
    Annotated[FunctionTool, Tag("function")]
    | Annotated[CustomTool, Tag("custom")]
    | Annotated[ToolSearchTool, Tag("tool_search")]
    | Annotated[NamespaceTool, Tag("namespace")]
    | Annotated[OtherTool, Tag("other")],
    Discriminator(by_type("function", "custom", "tool_search", "namespace")),
]


class ToolsItem(Lenient):
    """Tools that come in the middle of the conversation: given by the client, or found by its search."""

    type: Literal["additional_tools", "tool_search_output"]
    call_id: str | None = None
    tools: list[ToolIn]


_SEVERAL_TYPES = {
    "function_call_output": "call_output",
    "custom_tool_call_output": "call_output",
    "compaction_summary": "compaction",
    "additional_tools": "tools",
    "tool_search_output": "tools",
}
_ITEMS = (
    "message",
    "function_call",
    "custom_tool_call",
    "tool_search_call",
    "reasoning",
    "compaction",
    "compaction_trigger",
)


def _item_tag(value: Any) -> str:
    kind = by_type(*_ITEMS, *_SEVERAL_TYPES)(value)
    if kind == "other" and isinstance(value, dict) and "role" in value and "type" not in value:
        return "message"
    return _SEVERAL_TYPES.get(kind, kind)


Item: TypeAlias = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[CustomCallItem, Tag("custom_tool_call")]
    | Annotated[ToolSearchCallItem, Tag("tool_search_call")]
    | Annotated[CallOutputItem, Tag("call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[CompactionItem, Tag("compaction")]
    | Annotated[CompactionTriggerItem, Tag("compaction_trigger")]
    | Annotated[ToolsItem, Tag("tools")]
    | Annotated[OtherItem, Tag("other")],
    Discriminator(_item_tag),
]

# --- the request ----------------------------------------------------------------------------------------


class ToolChoiceIn(Lenient):
    """One tool, a subset of them, or a provider's own tool by its type."""

    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[ToolChoiceIn] | None = None


class FormatIn(Lenient):
    """A demand on the answer's form."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = "answer"
    # Aliased: a field called `schema` would hide pydantic's own attribute.
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class TextIn(Lenient):
    """Form and length of the answer."""

    format: FormatIn | None = None
    verbosity: str | None = None


class ReasoningIn(Lenient):
    """How hard to think, and whether to tell."""

    effort: str | None = None
    summary: str | None = None


class InputRequest(Lenient):
    """What is common to all requests with a conversation in them."""

    model: str
    input: str | list[Item] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: list[ToolIn] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoiceIn | None = None
    parallel_tool_calls: bool | None = None
    text: TextIn | None = None
    reasoning: ReasoningIn | None = None


class InputTokensRequest(InputRequest):
    """The body of ``POST /v1/responses/input_tokens``."""

    model: str = Field(default="", description="May be left out: the estimate is the same for every model.")


class ResponseRequest(InputRequest):
    """The body of ``POST /v1/responses``."""

    stream: bool | None = None
    background: bool | None = None
    store: bool | None = None
    include: list[str] | None = None
    metadata: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    truncation: Literal["auto", "disabled"] | None = None
    conversation: None = Field(default=None, description="Not supported; use `previous_response_id`.")
    prompt: None = Field(default=None, description="Not supported; send the prompt itself.")
