"""The neutral conversation: what a model is sent and what it answers, in no vendor's terms.

Wire formats are translated to and from these values at the edges (`serve_app.protocols` for clients,
`actors.models` for providers). Everything is a frozen, picklable value; identity (run ids, step ids) lives
elsewhere. What no part can express is carried through as `Foreign`, never dropped silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Mapping[str, Any]
"""A JSON object."""

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Image:
    """An image by address: ``https:`` or ``data:<media type>;base64,...``."""

    url: str
    detail: str | None = None
    type: Literal["image"] = "image"


@dataclass(frozen=True, slots=True)
class File:
    """A file by address (``https:`` or ``data:``), with the name that the client gave it."""

    url: str
    name: str = ""
    type: Literal["file"] = "file"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A model's thinking. `signature` is the provider's opaque proof, sent back as it came."""

    text: str
    signature: str = ""
    type: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model asks for a tool. `arguments` is JSON text exactly as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str
    type: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call `call_id`."""

    call_id: str
    content: tuple[Text | Image | File, ...]
    is_error: bool = False
    type: Literal["tool_result"] = "tool_result"

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Foreign:
    """A part that only `origin` (a protocol's or provider's name) understands, carried through whole."""

    origin: str
    payload: Json
    type: Literal["foreign"] = "foreign"


Part: TypeAlias = Text | Image | File | Reasoning | ToolCall | ToolResult | Foreign


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of one role."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        """A message of one text part."""
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        """The visible text: text parts joined, without reasoning and tool traffic."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls in this message, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a model may call. `input_schema` is a JSON Schema of type object."""

    name: str
    description: str
    input_schema: Json
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """How free the model is: `auto`, `none`, `required` (any), or `named` (`name` must be called)."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str = ""


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """A demand on the answer's form. `schema` is a JSON Schema for ``json_schema``."""

    type: Literal["json_object", "json_schema"]
    name: str = ""
    schema: Json | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """Generation parameters; None leaves it to the provider. `extra` is passed on as the client sent it."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    extra: Json = field(default_factory=dict)

    def over(self, defaults: Sampling) -> Sampling:
        """These parameters, with `defaults` where this one is silent."""
        if defaults == Sampling():
            return self
        names = ("temperature", "top_p", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
        chosen = {
            n: getattr(self, n) if getattr(self, n) is not None else getattr(defaults, n) for n in names
        }
        return Sampling(
            **chosen,
            stop=self.stop or defaults.stop,
            reasoning_effort=self.reasoning_effort or defaults.reasoning_effort,
            extra={**defaults.extra, **self.extra},
        )


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What one model call is asked."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    sampling: Sampling = Sampling()

    @property
    def last_user_text(self) -> str:
        """The text of the last user message; empty when there is none."""
        return next((m.text for m in reversed(self.messages) if m.role == "user" and m.text), "")

    def extended(self, *messages: Message) -> ChatRequest:
        """This request with more messages at the end."""
        return replace(self, messages=(*self.messages, *messages))


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call, or the sum of several. `estimated` marks a count that no provider reported."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's whole answer.

    Attributes:
        message: the assistant's message.
        finish_reason: why it ended.
        usage: the provider's count.
        model: the model as the provider names it.
        cost_usd: what the call cost; None when no price is known.
        response_id: the provider's id of the answer; may be empty.
        stop_sequence: which of the request's stop sequences ended it, where the provider says so.
        dropped: what the model's client left out of the request because the provider could not take it: names of
            parameters and kinds of parts, never contents.
    """

    message: Message
    finish_reason: FinishReason
    usage: Usage = Usage()
    model: str = ""
    cost_usd: float | None = None
    response_id: str = ""
    stop_sequence: str = ""
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the visible answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's thinking. `signature`, where the provider gives one, comes with the last of it."""

    text: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of the tool call at `index`; `id` and `name` come once, with its first delta."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta
StreamItem: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Completion
"""What a streaming model yields: deltas, then exactly one `Completion` that equals their sum."""
