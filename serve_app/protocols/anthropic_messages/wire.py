"""Anthropic Messages on the wire: lenient pydantic models for what comes in, exact types for what goes out.

In: unknown fields, blocks and tools are accepted; only what leaves no sensible reading is refused. Out: `TypedDict`s
with the fields of the official SDK's types, so that mypy checks what `translate` builds, FastAPI describes it, and
nothing is validated at run time. One field of those types is left out, `citations` of a text: the real API only sends
it when there are any, and a null breaks the Vercel AI SDK. Beyond them there is one extension: ``stellarator``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag
from typing_extensions import TypedDict

from serve_app.protocols.lenient import Lenient, by_type
from workflows.answer import PanelStatus

# --- in: contents -------------------------------------------------------------------------------------------


class TextBlockIn(Lenient):
    """Plain text."""

    type: Literal["text"]
    text: str


class OtherBlockIn(Lenient):
    """A block or source of a type that is only carried through, such as ``server_tool_use``."""

    is_opaque = True
    type: str


class Base64Source(Lenient):
    """Data in the request itself."""

    type: Literal["base64"]
    media_type: str
    data: str


class UrlSource(Lenient):
    """Data by address."""

    type: Literal["url"]
    url: str


class TextSource(Lenient):
    """A document that is plain text."""

    type: Literal["text"]
    data: str


ImageSource: TypeAlias = Annotated[
    Annotated[Base64Source, Tag("base64")]
    | Annotated[UrlSource, Tag("url")]
    | Annotated[OtherBlockIn, Tag("other")],
    Discriminator(by_type("base64", "url")),
]


class ImageBlockIn(Lenient):
    """An image."""

    type: Literal["image"]
    source: ImageSource


PlainBlock: TypeAlias = Annotated[
    Annotated[TextBlockIn, Tag("text")]
    | Annotated[ImageBlockIn, Tag("image")]
    | Annotated[OtherBlockIn, Tag("other")],
    Discriminator(by_type("text", "image")),
]


class BlocksSource(Lenient):
    """A document that consists of blocks."""

    type: Literal["content"]
    content: str | list[PlainBlock]


DocumentSource: TypeAlias = Annotated[
    Annotated[Base64Source, Tag("base64")]
    | Annotated[UrlSource, Tag("url")]
    | Annotated[TextSource, Tag("text")]
    | Annotated[BlocksSource, Tag("content")]
    | Annotated[OtherBlockIn, Tag("other")],
    Discriminator(by_type("base64", "url", "text", "content")),
]


class DocumentBlockIn(Lenient):
    """A document, with what the client says about it."""

    type: Literal["document"]
    source: DocumentSource
    title: str | None = None
    context: str | None = None


class SearchResultBlockIn(Lenient):
    """What the client's own search found."""

    type: Literal["search_result"]
    source: str
    title: str
    content: list[TextBlockIn]


class ToolReferenceBlockIn(Lenient):
    """A tool that the client's own tool search found."""

    type: Literal["tool_reference"]
    tool_name: str


ResultBlock: TypeAlias = Annotated[
    Annotated[TextBlockIn, Tag("text")]
    | Annotated[ImageBlockIn, Tag("image")]
    | Annotated[DocumentBlockIn, Tag("document")]
    | Annotated[SearchResultBlockIn, Tag("search_result")]
    | Annotated[ToolReferenceBlockIn, Tag("tool_reference")]
    | Annotated[OtherBlockIn, Tag("other")],
    Discriminator(by_type("text", "image", "document", "search_result", "tool_reference")),
]


class ThinkingBlockIn(Lenient):
    """What a model thought, with its signature."""

    type: Literal["thinking"]
    thinking: str
    signature: str = ""


class ToolUseBlockIn(Lenient):
    """A tool call in the conversation so far."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


class ToolResultBlockIn(Lenient):
    """What the client's tool answered."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: str | list[ResultBlock] | None = None
    is_error: bool | None = None


Block: TypeAlias = Annotated[
    Annotated[TextBlockIn, Tag("text")]
    | Annotated[ImageBlockIn, Tag("image")]
    | Annotated[DocumentBlockIn, Tag("document")]
    | Annotated[SearchResultBlockIn, Tag("search_result")]
    | Annotated[ThinkingBlockIn, Tag("thinking")]
    | Annotated[ToolUseBlockIn, Tag("tool_use")]
    | Annotated[ToolResultBlockIn, Tag("tool_result")]
    | Annotated[OtherBlockIn, Tag("other")],
    Discriminator(
        by_type("text", "image", "document", "search_result", "thinking", "tool_use", "tool_result")
    ),
]

# --- in: tools ----------------------------------------------------------------------------------------------


class CustomTool(Lenient):
    """A tool that the client defines. A deferred one is not shown to the model until something names it."""

    type: Literal["custom"] | None = None
    name: str = Field(min_length=1)
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    defer_loading: bool | None = None


class TypedTool(Lenient):
    """A tool that Anthropic defines: the client runs some of these types, Anthropic's servers run the others."""

    is_opaque = True
    type: str
    name: str | None = None
    defer_loading: bool | None = None


MessagesTool: TypeAlias = Annotated[
    Annotated[CustomTool, Tag("custom")] | Annotated[TypedTool, Tag("other")],
    Discriminator(by_type("custom", untyped="custom")),
]


class ChangedTool(Lenient):
    """A tool that was declared before, by its name, or one that is declared here."""

    type: str
    name: str | None = None
    definition: MessagesTool | None = None


class ToolChangeBlockIn(Lenient):
    """From here on the model has, or no longer has, this tool."""

    type: Literal["tool_addition", "tool_removal"]
    tool: ChangedTool


InstructionBlock: TypeAlias = Annotated[
    Annotated[TextBlockIn, Tag("text")]
    | Annotated[ToolChangeBlockIn, Tag("tool_addition")]
    | Annotated[ToolChangeBlockIn, Tag("tool_removal")]
    | Annotated[OtherBlockIn, Tag("other")],
    Discriminator(by_type("text", "tool_addition", "tool_removal")),
]


class MessagesToolChoice(Lenient):
    """How free the model is."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


# --- in: requests -------------------------------------------------------------------------------------------


class Instruction(Lenient):
    """Instructions in the middle of the conversation."""

    role: Literal["system", "developer"]
    content: str | list[InstructionBlock] | None = None
    clear_at: str | None = None


class Turn(Lenient):
    """What the user or the model said."""

    role: Literal["user", "assistant"]
    content: str | list[Block]


ConversationMessage: TypeAlias = Annotated[Instruction | Turn, Field(discriminator="role")]


class ThinkingConfig(Lenient):
    """Whether and how much the model is to think, and whether the client wants to see it."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(Lenient):
    """A demand on the answer's form."""

    type: str
    # Aliased: a field called `schema` would hide pydantic's own attribute.
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")


class OutputConfig(Lenient):
    """How the answer is to be made."""

    effort: str | None = None
    format: OutputFormat | None = None


class CountTokensRequest(Lenient):
    """The body of ``POST /v1/messages/count_tokens``: a conversation, its tools and its model."""

    model: str
    messages: list[ConversationMessage] = Field(min_length=1)
    system: str | list[InstructionBlock] | None = None
    tools: list[MessagesTool] | None = None
    tool_choice: MessagesToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = Field(default=None, json_schema_extra={"deprecated": True})


class MessagesRequest(CountTokensRequest):
    """The body of ``POST /v1/messages``."""

    max_tokens: int = Field(ge=1)
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, Any] | None = None


# --- out ----------------------------------------------------------------------------------------------------

StopReason: TypeAlias = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class TextBlock(TypedDict):
    """Visible text."""

    type: Literal["text"]
    text: str


class ThinkingBlock(TypedDict):
    """What the model thought; the signature is opaque."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class DirectCaller(TypedDict):
    """The model itself calls, not a program of its."""

    type: Literal["direct"]


class ToolUseBlock(TypedDict):
    """A call of one of the client's tools."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    caller: DirectCaller


class OutputTokensDetails(TypedDict):
    """Of the answer's tokens."""

    thinking_tokens: int


class MessageDeltaUsage(TypedDict):
    """Token counts. The whole input is `input_tokens` and both of the cache."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    server_tool_use: None


class MessageUsage(MessageDeltaUsage):
    """Token counts, and how a server of Anthropic's own would have billed them."""

    cache_creation: None
    inference_geo: None
    service_tier: None
    speed: None


class MessagesExtension(TypedDict):
    """What the whole run took, panel included. `cost_usd` is null when some call's price is unknown."""

    run_id: str
    panel: PanelStatus
    total_usage: MessageDeltaUsage
    cost_usd: float | None


class OpenMessage(TypedDict):
    """An answer that begins, as a stream opens with it."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[TextBlock | ThinkingBlock | ToolUseBlock]
    container: None
    diagnostics: None
    stop_reason: StopReason | None
    stop_sequence: str | None
    stop_details: None
    usage: MessageUsage


class WholeMessage(OpenMessage):
    """The body of an answer that is not streamed."""

    stellarator: MessagesExtension


class MessageTokensCount(TypedDict):
    """How long a conversation is, as far as can be told without its model's own tokenizer."""

    input_tokens: int
