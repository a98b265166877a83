"""Anthropic Messages to the neutral conversation and back: pure functions.

What has no neutral form: blocks that we do not know, uploaded files, redacted thinking and the traffic of Anthropic's
own server tools are carried as `Foreign`. Left out knowingly: cache_control and betas (hints to Anthropic's
servers), context_management, safeguards, containers and MCP servers, thinking that is switched off (few providers
can), Claude Code's billing line (it differs with every request and would spoil every prefix cache), user ids that
are more than a short name (Claude Code's hold the account), and every field that is not named here: a provider's
client could take it for an address or a key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, NoReturn

from serve_app.protocols.anthropic_messages import wire
from serve_app.protocols.anthropic_messages.parameters import (
    response_format,
    sampling,
    tool_choice,
    without_effect,
)
from serve_app.protocols.anthropic_messages.tools import offered_tools
from serve_app.protocols.controls import Controls, accepted
from serve_app.protocols.dropped import dropped
from serve_app.protocols.lenient import Lenient
from serve_app.protocols.neutral import result_parts
from serve_app.protocols.progress import SEAL
from workflows.answer import AnswerFinished, RunRequest
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

PROTOCOL = "anthropic_messages"
"""The name of this wire format in `RunRequest.protocol` and `Foreign.origin`."""

INVALID_JSON = "INVALID_JSON"
"""The key under which Anthropic's documentation of fine-grained tool streaming puts arguments that are no JSON."""

_BILLING = "x-anthropic-billing-header:"
_DOCUMENT = "document.pdf"


def run_request(
    body: wire.MessagesRequest, controls: Controls, mounted: Collection[str], run_id: str
) -> RunRequest:
    """What the client wants, for the virtual model whose mounted tools are `mounted`.

    Raises:
        RequestInvalid: names a field that cannot be understood.
    """
    return accepted(
        chat_request(body),
        replace(controls, progress=controls.progress and shows_thinking(body)),
        mounted=mounted,
        run_id=run_id,
        virtual_model=body.model,
        protocol=PROTOCOL,
        stream=bool(body.stream),
        dropped=dropped(body, also=without_effect(body)),
    )


def chat_request(body: wire.CountTokensRequest) -> ChatRequest:
    """The conversation, tools and parameters. Raises `RequestInvalid` as `run_request` does."""
    choice = body.tool_choice
    return ChatRequest(
        messages=tuple(_messages(body)),
        tools=offered_tools(body),
        tool_choice=tool_choice(choice),
        parallel_tool_calls=False if choice and choice.disable_parallel_tool_use else None,
        response_format=response_format(body),
        sampling=sampling(body),
    )


def shows_thinking(body: wire.CountTokensRequest) -> bool:
    """Whether the client wants to see what the model thinks."""
    thinking = body.thinking
    return thinking is None or (thinking.type != "disabled" and thinking.display != "omitted")


def whole_message(run: RunRequest, finished: AnswerFinished, *, thinking: bool) -> wire.WholeMessage:
    """The body of an answer that is not streamed, with or without what the model thought."""
    return {
        **open_message(run.run_id, run.virtual_model, finished.usage),
        "content": list(_blocks(run.run_id, finished.message, thinking=thinking)),
        "stop_reason": stop_reason(finished),
        "stop_sequence": finished.stop_sequence or None,
        "stellarator": extension(run.run_id, finished),
    }


def open_message(run_id: str, model: str, usage: Usage) -> wire.OpenMessage:
    """An answer that has no content yet. Its id is the same, streamed or not."""
    return {
        "id": f"msg_{run_id.removeprefix('run_')}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "container": None,
        "diagnostics": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            **token_counts(usage),
            "cache_creation": None,
            "inference_geo": None,
            "service_tier": None,
            "speed": None,
        },
    }


def stop_reason(finished: AnswerFinished) -> wire.StopReason:
    """Why the answer ended, in Anthropic's words."""
    match finished.finish_reason:
        case "length":
            return "max_tokens"
        case "tool_calls":
            return "tool_use"
        case "content_filter":
            return "refusal"
        case "stop":
            return "stop_sequence" if finished.stop_sequence else "end_turn"


def token_counts(usage: Usage) -> wire.MessageDeltaUsage:
    """Token counts in Anthropic's names, whose `input_tokens` leaves out what came from the cache."""
    return {
        "input_tokens": usage.input_tokens - usage.cached_input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": None,
    }


def extension(run_id: str, finished: AnswerFinished) -> wire.MessagesExtension:
    """What the whole run took, beside `usage`, which is about the client's own conversation."""
    return {
        "run_id": run_id,
        "panel": finished.panel,
        "total_usage": token_counts(finished.total_usage),
        "cost_usd": finished.cost_usd,
    }


def signature(run_id: str) -> str:
    """The signature of a thought: opaque to clients, some of which drop thoughts without one. It names the run."""
    return run_id.removeprefix("run_")


def _blocks(
    run_id: str, message: Message, *, thinking: bool
) -> Iterator[wire.TextBlock | wire.ThinkingBlock | wire.ToolUseBlock]:
    for part in message.parts:
        match part:
            case Reasoning(text, signed) if thinking:
                yield {"type": "thinking", "thinking": text, "signature": signed or signature(run_id)}
            case Text(text):
                yield {"type": "text", "text": text}
            case ToolCall(call_id, name, arguments):
                yield tool_use(call_id, name, _tool_input(arguments))


def tool_use(call_id: str, name: str, tool_input: dict[str, Any]) -> wire.ToolUseBlock:
    """A tool call as a block."""
    return {
        "type": "tool_use",
        "id": call_id,
        "name": name,
        "input": tool_input,
        "caller": {"type": "direct"},
    }


def parsed_object(arguments: str) -> dict[str, Any] | None:
    """The JSON object that this text is; None when it is anything else, or not yet one."""
    try:
        parsed = json.loads(arguments, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _tool_input(arguments: str) -> dict[str, Any]:
    if not arguments:
        return {}
    parsed = parsed_object(arguments)
    return {INVALID_JSON: arguments} if parsed is None else parsed


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


# --- messages -----------------------------------------------------------------------------------------------


def _messages(body: wire.CountTokensRequest) -> Iterator[Message]:
    if system := _instructions(body.system):
        yield Message.of("system", system)
    last_user = max((n for n, message in enumerate(body.messages) if message.role == "user"), default=-1)
    for index, message in enumerate(body.messages):
        match message:
            case wire.Instruction():
                is_over = message.clear_at == "next_user_message" and index < last_user
                if not is_over and (text := _instructions(message.content)):
                    yield Message.of(message.role, text)
            case wire.Turn(role="assistant"):
                said = tuple(_parts(message.content))
                if said or not _is_progress(message):
                    yield Message("assistant", said)
            case wire.Turn():
                yield from _user(message)


def _is_progress(turn: wire.Turn) -> bool:
    """Whether a turn that says nothing was nothing but a panel's progress: all that a client has of a cut answer."""
    return any(isinstance(block, wire.ThinkingBlockIn) for block in turn.content)


def _user(turn: wire.Turn) -> Iterator[Message]:
    """What the user's tools answered comes first, as every provider wants it, then what the user said."""
    parts = tuple(_parts(turn.content))
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    for result in results:
        yield Message("tool", (result,))
    said = tuple(part for part in parts if not isinstance(part, ToolResult))
    if said or not results:
        yield Message("user", said)


def _instructions(content: str | list[wire.InstructionBlock] | None) -> str:
    """Instructions as one text. Changes of the tools among them are the business of `offered_tools`."""
    if isinstance(content, str):
        return content
    texts = (block.text for block in content or () if isinstance(block, wire.TextBlockIn))
    return "\n\n".join(text for text in texts if text and not text.startswith(_BILLING))


def _parts(content: str | list[wire.Block]) -> Iterator[Part]:
    """The parts; none for empty text, which says nothing and which some providers refuse."""
    for block in [wire.TextBlockIn(type="text", text=content)] if isinstance(content, str) else content:
        match block:
            case wire.ThinkingBlockIn(signature=signed) if signed == SEAL:
                continue
            case wire.ThinkingBlockIn():
                yield Reasoning(block.thinking, block.signature)
            case wire.ToolUseBlockIn():
                yield ToolCall(block.id, block.name, json.dumps(block.input, ensure_ascii=False))
            case wire.ToolResultBlockIn():
                yield ToolResult(block.tool_use_id, tuple(_result(block.content)), bool(block.is_error))
            case _:
                yield from _plain(block)


def _result(content: str | list[wire.ResultBlock] | None) -> Iterator[Text | Image | File]:
    if isinstance(content, str):
        yield Text(content)
        return
    for block in content or ():
        if isinstance(block, wire.ToolReferenceBlockIn):
            yield Text(f"The tool `{block.tool_name}` can be called now.\n")
            continue
        yield from result_parts(_plain(block))


def _plain(
    block: wire.PlainBlock | wire.DocumentBlockIn | wire.SearchResultBlockIn | wire.ToolReferenceBlockIn,
) -> Iterator[Text | Image | File | Foreign]:
    match block:
        case wire.TextBlockIn():
            if block.text:
                yield Text(block.text)
        case wire.ImageBlockIn(source=wire.Base64Source() | wire.UrlSource() as source):
            yield Image(_address(source))
        case wire.DocumentBlockIn():
            yield from _document(block)
        case wire.SearchResultBlockIn():
            yield Text("\n".join((block.title, block.source, *(found.text for found in block.content))))
        case _:
            yield _foreign(block)


def _document(document: wire.DocumentBlockIn) -> Iterator[Text | Image | File | Foreign]:
    """Documents of text become text, which every model can read."""
    match document.source:
        case wire.Base64Source() | wire.UrlSource() as source:
            if document.context:
                yield Text(document.context)
            yield File(_address(source), document.title or _DOCUMENT)
        case wire.TextSource(data=text) | wire.BlocksSource(content=str() as text):
            yield Text("\n\n".join(filter(None, (document.title, document.context, text))))
        case wire.BlocksSource(content=list() as blocks):
            if about := "\n\n".join(filter(None, (document.title, document.context))):
                yield Text(about)
            for block in blocks:
                yield from _plain(block)
        case _:
            yield _foreign(document)


def _address(source: wire.Base64Source | wire.UrlSource) -> str:
    if isinstance(source, wire.UrlSource):
        return source.url
    return f"data:{source.media_type};base64,{source.data}"


def _foreign(block: Lenient) -> Foreign:
    return Foreign(PROTOCOL, block.model_dump(exclude_unset=True))
