"""Chat Completions to the neutral conversation and back: pure functions.

What has no neutral form: part types that we do not know are carried as `Foreign`; generation parameters in
`PASSED_ON` go to the main LLM's provider as they are. Left out knowingly: unknown fields (a provider's client
could take them for an address or a key), hints (cache_control, a participant's name), logprobs and
modalities other than text, an assistant's parts that are neither text nor a refusal, and tools of types that only
a provider could run. A custom tool is a function with one text argument to the main LLM, and its grammar is told in
words; a whole answer calls it as the custom tool that it is, a stream as that function, because the SDK's type of a
streamed call has nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from serve_app.protocols.controls import Controls, accepted
from serve_app.protocols.dropped import dropped, typed
from serve_app.protocols.neutral import (
    ANYTHING,
    ONE_TEXT,
    custom_arguments,
    custom_description,
    custom_input,
    result_parts,
)
from serve_app.protocols.openai_chat import wire
from serve_app.protocols.progress import unmarked
from workflows.answer import AnswerFinished, RunRequest
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
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)

PROTOCOL = "openai_chat"
"""The name of this wire format in `RunRequest.protocol` and `Foreign.origin`."""

PASSED_ON = frozenset(
    {
        "chat_template_kwargs",
        "logit_bias",
        "min_p",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "repetition_penalty",
        "safety_identifier",
        "service_tier",
        "thinking",
        "top_k",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""Parameters without a neutral form that are safe in the hands of any provider's client."""


def run_request(
    body: wire.ChatCompletionRequest, controls: Controls, mounted: Collection[str], run_id: str
) -> RunRequest:
    """What the client wants, for the virtual model whose mounted tools are `mounted`.

    Raises:
        RequestInvalid: names a field that cannot be understood.
    """
    return accepted(
        chat_request(body),
        controls,
        mounted=mounted,
        run_id=run_id,
        virtual_model=body.model,
        protocol=PROTOCOL,
        stream=bool(body.stream),
        dropped=dropped(body, carried=PASSED_ON, also=_dropped(body)),
    )


def chat_request(body: wire.ChatCompletionRequest) -> ChatRequest:
    """The conversation, tools and parameters. Raises `RequestInvalid` as `run_request` does."""
    tools = tuple(_tools(body))
    choice = body.tool_choice if body.tool_choice is not None else body.function_call
    if isinstance(choice, wire.ToolChoiceIn) and choice.allowed_tools is not None:
        allowed = {_name_of(tool) for tool in choice.allowed_tools.tools}
        tools = tuple(tool for tool in tools if tool.name in allowed)
    return ChatRequest(
        messages=tuple(_messages(body.messages)),
        tools=tools,
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=_response_format(body.response_format),
        sampling=_sampling(body),
    )


def _dropped(body: wire.ChatCompletionRequest) -> Iterator[str]:
    """Known fields that have no effect."""
    for tool in body.tools or ():
        if isinstance(tool, wire.OtherTool):
            yield typed("tools", tool.type)
    if body.metadata and not body.store:
        yield "metadata"
    if body.store and not body.metadata:
        yield "store"


def custom_tools(body: wire.ChatCompletionRequest) -> frozenset[str]:
    """The names of the client's tools that take free text."""
    return frozenset(tool.custom.name for tool in body.tools or () if isinstance(tool, wire.CustomTool))


def completion(
    run: RunRequest, finished: AnswerFinished, created: int, custom: Collection[str] = ()
) -> wire.ChatCompletion:
    """The body of an answer that is not streamed. `created` is Unix time in seconds; `custom` as `custom_tools`."""
    return {
        "id": completion_id(run.run_id),
        "object": "chat.completion",
        "created": created,
        "model": run.virtual_model,
        "choices": [
            {
                "index": 0,
                "message": answer_message(finished.message, custom),
                "logprobs": None,
                "finish_reason": finished.finish_reason,
            }
        ],
        "usage": token_counts(finished.usage),
        "stellarator": extension(run.run_id, finished),
    }


def completion_id(run_id: str) -> str:
    """The one id of an answer, streamed or not."""
    return f"chatcmpl-{run_id.removeprefix('run_')}"


def answer_message(message: Message, custom: Collection[str] = ()) -> wire.ChatCompletionMessage:
    """The main LLM's message; null content when there are only tool calls."""
    answer: wire.ChatCompletionMessage = {
        "role": "assistant",
        "content": message.text if message.text or not message.tool_calls else None,
        "refusal": None,
    }
    reasoning = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
    if reasoning:
        answer["reasoning_content"] = reasoning
    if message.tool_calls:
        answer["tool_calls"] = [_answer_call(call, custom) for call in message.tool_calls]
    return answer


def _answer_call(call: ToolCall, custom: Collection[str]) -> wire.FunctionToolCall | wire.CustomToolCall:
    if call.name not in custom:
        function: wire.FunctionCall = {"name": call.name, "arguments": call.arguments}
        return {"id": call.id, "type": "function", "function": function}
    text = custom_input(call.arguments)
    return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": text}}


def token_counts(usage: Usage) -> wire.CompletionUsage:
    """Token counts in OpenAI's names."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def extension(run_id: str, finished: AnswerFinished) -> wire.Extension:
    """What the whole run took, beside `usage`, which is about the client's own conversation."""
    return {
        "run_id": run_id,
        "panel": finished.panel,
        "total_usage": token_counts(finished.total_usage),
        "cost_usd": finished.cost_usd,
    }


# --- messages -----------------------------------------------------------------------------------------------


def _messages(messages: list[wire.ChatMessage]) -> Iterator[Message]:
    function_call_id = ""
    for index, message in enumerate(messages):
        match message:
            case wire.AssistantMessage():
                # The deprecated form has no ids; its results follow their call, so its place is one.
                function_call_id = f"call_{index}" if message.function_call else function_call_id
                yield Message("assistant", tuple(_assistant_parts(message, index)))
            case wire.ToolMessage():
                yield _tool_result(message.tool_call_id, message.content)
            case wire.FunctionMessage():
                yield _tool_result(function_call_id or message.name, message.content)
            case _:
                yield Message(message.role, tuple(_parts(message.content)))


def _assistant_parts(message: wire.AssistantMessage, index: int) -> Iterator[Part]:
    if reasoning := unmarked(message.reasoning_content or message.reasoning or ""):
        yield Reasoning(reasoning)
    yield from (part for part in _parts(message.content) if not isinstance(part, Foreign))
    if message.refusal:
        yield Text(message.refusal)
    for position, call in enumerate(message.tool_calls or ()):
        yield _tool_call(call, f"messages.{index}.tool_calls.{position}")
    if message.function_call:
        yield ToolCall(
            f"call_{index}", message.function_call.name, _json_text(message.function_call.arguments)
        )


def _parts(content: wire.Content | None) -> Iterator[Part]:
    """The parts; none for no content and for empty text, which says nothing and which some providers refuse."""
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in content or ():
        yield _part(part)


def _part(part: wire.ContentPart) -> Part:
    match part:
        case wire.TextPart():
            return Text(part.text)
        case wire.RefusalPart():
            return Text(part.refusal)
        case wire.ImagePart(image_url=wire.ImageUrl() as image):
            return Image(image.url, image.detail)
        case wire.ImagePart(image_url=str() as url):
            return Image(url)
        case wire.FilePart(file=wire.FileData(file_data=str() as data) as file):
            return File(data, file.filename or "")
        case _:
            return Foreign(PROTOCOL, part.model_dump(exclude_unset=True))


def _tool_result(call_id: str, content: wire.Content | None) -> Message:
    return Message("tool", (ToolResult(call_id, tuple(result_parts(_parts(content)))),))


def _tool_call(call: wire.ToolCallIn, where: str) -> ToolCall:
    if call.function is not None:
        return ToolCall(call.id, call.function.name, _json_text(call.function.arguments))
    if call.custom is not None:
        return ToolCall(call.id, call.custom.name, custom_arguments(call.custom.input))
    raise RequestInvalid(f"{where}.{call.type}", "Field required")


def _json_text(arguments: str | dict[str, Any]) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


# --- tools and parameters -----------------------------------------------------------------------------------


def _tools(body: wire.ChatCompletionRequest) -> Iterator[Tool]:
    for tool in body.tools or ():
        match tool:
            case wire.FunctionTool():
                yield _function(tool.function)
            case wire.CustomTool():
                yield _custom(tool.custom)
    for function in body.functions or ():
        yield _function(function)


def _function(function: wire.FunctionDefinition) -> Tool:
    return Tool(function.name, function.description or "", function.parameters or ANYTHING, function.strict)


def _custom(tool: wire.CustomDefinition) -> Tool:
    grammar = (tool.format and tool.format.grammar) or {}
    syntax, definition = grammar.get("syntax", ""), grammar.get("definition", "")
    description = custom_description(tool.description, syntax=syntax, definition=definition)
    return Tool(tool.name, description, ONE_TEXT)


def _tool_choice(choice: str | wire.ToolChoiceIn | wire.Named | None) -> ToolChoice:
    match choice:
        case "none" | "required":
            return ToolChoice(choice)
        case wire.Named():
            return ToolChoice("named", choice.name)
        case wire.ToolChoiceIn(allowed_tools=wire.AllowedTools() as allowed):
            return ToolChoice(allowed.mode)
        case wire.ToolChoiceIn():
            return ToolChoice("named", _name_of(choice))
        case _:
            return ToolChoice()


def _name_of(choice: wire.ToolChoiceIn | wire.AllowedTool) -> str:
    named = choice.function or choice.custom
    if named is None:
        raise RequestInvalid("tool_choice", "must name a tool, for example as `function.name`")
    return named.name


def _response_format(demand: wire.ResponseFormatIn | None) -> ResponseFormat | None:
    match demand:
        case wire.JsonObjectFormat():
            return ResponseFormat("json_object")
        case wire.JsonSchemaFormat(json_schema=wanted):
            return ResponseFormat("json_schema", wanted.name, wanted.json_schema, wanted.strict)
        case _:
            return None


def _sampling(body: wire.ChatCompletionRequest) -> Sampling:
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        stop=stop,
        seed=body.seed,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        reasoning_effort=body.reasoning_effort,
        extra=dict(_extra(body)),
    )


def _extra(body: wire.ChatCompletionRequest) -> Iterator[tuple[str, Any]]:
    for name, value in (body.model_extra or {}).items():
        if name in PASSED_ON and value is not None:
            yield name, value
    if body.store and body.metadata:
        # OpenAI takes metadata with stored completions only.
        yield from {"store": True, "metadata": body.metadata}.items()
