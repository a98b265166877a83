"""Chat Completions on the wire: lenient pydantic models for what comes in, exact types for what goes out.

In: unknown fields, part types and tool types are accepted (`translate` says what becomes of them); only what
leaves no sensible reading is refused. Out: `TypedDict`s with the fields of the official SDK's types, so that
mypy checks what `translate` builds, FastAPI describes it, and nothing is validated at run time. Beyond them
there are two extensions: ``reasoning_content`` (as DeepSeek, vLLM and others send it) and ``stellarator``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import Discriminator, Field, Tag
from typing_extensions import TypedDict

from serve_app.protocols.lenient import Lenient, by_type
from workflows.answer import PanelStatus
from workflows.messages import FinishReason

# --- in -----------------------------------------------------------------------------------------------------


class TextPart(Lenient):
    """Plain text."""

    type: Literal["text"]
    text: str


class ImageUrl(Lenient):
    """An image by address."""

    url: str
    detail: str | None = None


class ImagePart(Lenient):
    """An image; some clients send the bare address."""

    type: Literal["image_url"]
    image_url: ImageUrl | str


class FileData(Lenient):
    """A file, whole as a data URL or by the id of an upload."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Lenient):
    """A file."""

    type: Literal["file"]
    file: FileData


class RefusalPart(Lenient):
    """An assistant's refusal."""

    type: Literal["refusal"]
    refusal: str


class OtherPart(Lenient):
    """A part of a type that is only carried through, such as ``input_audio``."""

    is_opaque = True
    type: str


ContentPart: TypeAlias = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ImagePart, Tag("image_url")]
    | Annotated[FilePart, Tag("file")]
    | Annotated[RefusalPart, Tag("refusal")]
    | Annotated[OtherPart, Tag("other")],
    Discriminator(by_type("text", "image_url", "file", "refusal")),
]
Content: TypeAlias = str | list[ContentPart]


class FunctionCallIn(Lenient):
    """A function's name and arguments: JSON text, or (from some clients) the object itself."""

    name: str
    arguments: str | dict[str, Any] = ""


class CustomCallIn(Lenient):
    """A custom tool's name and input."""

    name: str
    input: str = ""


class ToolCallIn(Lenient):
    """A tool call in the conversation so far."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: FunctionCallIn | None = None
    custom: CustomCallIn | None = None


class InstructionMessage(Lenient):
    """Instructions, anywhere in the conversation."""

    role: Literal["system", "developer"]
    content: Content


class UserMessage(Lenient):
    """What the user said."""

    role: Literal["user"]
    content: Content


class AssistantMessage(Lenient):
    """What the model said. ``reasoning`` is OpenRouter's name for ``reasoning_content``."""

    role: Literal["assistant"]
    content: Content | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallIn] | None = None
    function_call: FunctionCallIn | None = None


class ToolMessage(Lenient):
    """What the client's tool answered."""

    role: Literal["tool"]
    tool_call_id: str
    content: Content | None = None


class FunctionMessage(Lenient):
    """What the client's function answered, in the deprecated form."""

    role: Literal["function"]
    name: str
    content: Content | None = None


ChatMessage: TypeAlias = Annotated[
    InstructionMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage,
    Field(discriminator="role"),
]


class FunctionDefinition(Lenient):
    """A function that the client offers."""

    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Lenient):
    """A function tool."""

    type: Literal["function"]
    function: FunctionDefinition


class CustomFormat(Lenient):
    """The form of a custom tool's input: free, or by a grammar with its `syntax` and `definition`."""

    type: str
    grammar: dict[str, str] | None = None


class CustomDefinition(Lenient):
    """A tool that takes free text."""

    name: str = Field(min_length=1)
    description: str | None = None
    format: CustomFormat | None = None


class CustomTool(Lenient):
    """A custom tool."""

    type: Literal["custom"]
    custom: CustomDefinition


class OtherTool(Lenient):
    """A tool of a type that we do not know, such as a provider's own web search."""

    is_opaque = True
    type: str


ToolIn: TypeAlias = Annotated[
    Annotated[FunctionTool, Tag("function")]
    | Annotated[CustomTool, Tag("custom")]
    | Annotated[OtherTool, Tag("other")],
    Discriminator(by_type("function", "custom")),
]


class Named(Lenient):
    """A tool's name."""

    name: str


class AllowedTool(Lenient):
    """One of the tools that may be called."""

    function: Named | None = None
    custom: Named | None = None


class AllowedTools(Lenient):
    """A subset of the tools."""

    mode: Literal["auto", "required"] = "auto"
    tools: list[AllowedTool]


class ToolChoiceIn(Lenient):
    """One tool, or a subset of them."""

    type: Literal["function", "custom", "allowed_tools"]
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None


class TextFormat(Lenient):
    """No demand on the answer's form."""

    type: Literal["text"]


class JsonObjectFormat(Lenient):
    """The answer is to be a JSON object."""

    type: Literal["json_object"]


class JsonSchemaDefinition(Lenient):
    """A JSON Schema with a name."""

    name: str = "answer"
    # Aliased: a field called `schema` would hide pydantic's own attribute.
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class JsonSchemaFormat(Lenient):
    """The answer is to follow a JSON Schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchemaDefinition


ResponseFormatIn: TypeAlias = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")
]


class StreamOptions(Lenient):
    """What a stream contains beside the answer."""

    include_usage: bool | None = None


class ChatCompletionRequest(Lenient):
    """The body of ``POST /v1/chat/completions``."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[ToolIn] | None = None
    functions: list[FunctionDefinition] | None = Field(default=None, json_schema_extra={"deprecated": True})
    tool_choice: Literal["none", "auto", "required"] | ToolChoiceIn | None = None
    function_call: Literal["none", "auto"] | Named | None = Field(
        default=None, json_schema_extra={"deprecated": True}
    )
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormatIn | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    n: Literal[1] | None = Field(default=None, description="One answer a request; more are refused.")
    modalities: list[Literal["text"]] | None = Field(default=None, description="Text is the only one.")
    metadata: dict[str, Any] | None = None
    store: bool | None = None


# --- out ----------------------------------------------------------------------------------------------------


class PromptTokensDetails(TypedDict):
    """Of the prompt's tokens."""

    cached_tokens: int


class CompletionTokensDetails(TypedDict):
    """Of the answer's tokens."""

    reasoning_tokens: int


class CompletionUsage(TypedDict):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class Extension(TypedDict):
    """What the whole run took, panel included. `cost_usd` is null when some call's price is unknown."""

    run_id: str
    panel: PanelStatus
    total_usage: CompletionUsage
    cost_usd: float | None


class FunctionCall(TypedDict):
    """A call's name and its arguments as JSON text."""

    name: str
    arguments: str


class CustomCall(TypedDict):
    """A call's name and its free text."""

    name: str
    input: str


class CustomToolCall(TypedDict):
    """A call of one of the client's custom tools."""

    id: str
    type: Literal["custom"]
    custom: CustomCall


class FunctionToolCall(TypedDict):
    """A call of one of the client's functions."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class ChatCompletionMessage(TypedDict):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    reasoning_content: NotRequired[str]
    tool_calls: NotRequired[list[FunctionToolCall | CustomToolCall]]


class Choice(TypedDict):
    """The only choice."""

    index: Literal[0]
    message: ChatCompletionMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(TypedDict):
    """The body of an answer that is not streamed."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    stellarator: Extension
