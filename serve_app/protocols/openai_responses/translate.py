"""A Responses request to a run: pure functions (`items` and `tools` hold the two long parts).

Left out knowingly: unknown fields (a provider's client could take them for an address or a key), hints such as
client_metadata, tools of types that only a provider could run (they are not repeated in the response either, as they
are not in effect), `truncation` (nothing is ever cut), logprobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from serve_app.protocols.controls import Controls, accepted
from serve_app.protocols.dropped import dropped, typed
from serve_app.protocols.openai_responses import wire
from serve_app.protocols.openai_responses.compaction import asks_for_summary, compaction_request
from serve_app.protocols.openai_responses.items import PROTOCOL, messages
from serve_app.protocols.openai_responses.stream import Form
from serve_app.protocols.openai_responses.tools import ToolNames, client_tools, offered
from workflows.answer import RunRequest
from workflows.errors import RequestInvalid
from workflows.messages import ChatRequest, Message, ResponseFormat, Sampling, Tool, ToolChoice

PASSED_ON = frozenset(
    {
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "top_k",
        "user",
    }
)
"""Parameters without a neutral form that are safe in the hands of any provider's client."""


SEALED_THINKING = "reasoning.encrypted_content"
"""The only one of the things to be included that there is here."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood.

    Attributes:
        items: the whole conversation, with what a previous response stands for.
        names: the client's tools, for the way back.
        request: the conversation, tools and parameters.
        wants_compaction: the answer is one compaction item.
    """

    items: Sequence[wire.Item]
    names: ToolNames
    request: ChatRequest
    wants_compaction: bool = False


def asked(body: wire.InputRequest, items: Sequence[wire.Item]) -> Asked:
    """Understand a request whose whole conversation is `items`.

    Raises:
        RequestInvalid: names a field that cannot be understood.
    """
    wired = [*(body.tools or ()), *_tools_within(items)]
    names = ToolNames(client_tools(wired))
    request = _chat_request(body, tuple(messages(items, names)), offered(wired, names), names)
    if not request.messages:
        raise RequestInvalid("input", "must not be empty")
    if wants_compaction(items):
        return Asked(items, names, compaction_request(request), wants_compaction=True)
    return Asked(items, names, request)


def run_request(
    body: wire.ResponseRequest, understood: Asked, controls: Controls, mounted: Collection[str], run_id: str
) -> RunRequest:
    """The run that the client asks for, of the virtual model whose mounted tools are `mounted`.

    Raises:
        RequestInvalid: `tool_choice` names a tool that nobody has, or what shall go on in the background is not stored.
    """
    is_side_request = understood.wants_compaction or asks_for_summary(understood.request)
    if is_side_request and controls.panel is None:
        controls = replace(controls, panel="never")
    if getattr(body, "background", None):
        # Its stream can be resumed, and is then told again from the journal, which has no progress.
        controls = replace(controls, progress=False)
    run = accepted(
        understood.request,
        controls,
        mounted=mounted,
        run_id=run_id,
        virtual_model=body.model,
        protocol=PROTOCOL,
        stream=bool(body.stream),
        dropped=dropped(body, carried=PASSED_ON, also=_dropped(body)),
    )
    if body.store is not False:
        return replace(run, door=kept(body, understood.items), kept=bool(body.background))
    if body.background:
        raise RequestInvalid("background", "needs `store`: its answer is asked for later")
    return run


def _dropped(body: wire.ResponseRequest) -> Iterator[str]:
    """Known fields that have no effect."""
    for tool in body.tools or ():
        if isinstance(tool, wire.OtherTool):
            yield typed("tools", tool.type)
    if body.truncation == "auto":
        yield "truncation"
    if {*(body.include or ())} - {SEALED_THINKING}:
        yield "include"


def form_of(body: wire.ResponseRequest, understood: Asked) -> Form:
    """The form in which the client wants its answer."""
    return Form(
        names=understood.names,
        seals_thinking=SEALED_THINKING in (body.include or ()),
        is_compaction=understood.wants_compaction,
    )


def kept(body: wire.ResponseRequest, items: Sequence[wire.Item]) -> dict[str, Any]:
    """What the journal keeps of a request so that its response can be shown and continued later."""
    return {
        "body": body.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"input"}),
        "items": [_plain(item) for item in items],
    }


def input_items(body: wire.InputRequest) -> list[wire.Item]:
    """The items of this request alone."""
    if isinstance(body.input, str):
        return [wire.MessageItem(type="message", role="user", content=body.input)]
    return list(body.input or ())


def wants_compaction(items: Sequence[wire.Item]) -> bool:
    """Whether the conversation ends in the wish to be made shorter."""
    return bool(items) and isinstance(items[-1], wire.CompactionTriggerItem)


def _plain(item: wire.Item) -> dict[str, Any]:
    """An item as the client wrote it, with the type that it may have left out."""
    return {"type": item.type, **item.model_dump(mode="json", by_alias=True, exclude_unset=True)}


def _tools_within(items: Sequence[wire.Item]) -> Iterator[wire.ToolIn]:
    for item in items:
        if isinstance(item, wire.ToolsItem):
            yield from item.tools


def _chat_request(
    body: wire.InputRequest, conversation: tuple[Message, ...], tools: tuple[Tool, ...], names: ToolNames
) -> ChatRequest:
    choice = body.tool_choice
    if isinstance(choice, wire.ToolChoiceIn) and choice.tools is not None:
        allowed = {names.chosen(tool.name, tool.namespace) for tool in choice.tools if tool.name}
        tools = tuple(tool for tool in tools if tool.name in allowed)
    instructions = (Message.of("developer", body.instructions),) if body.instructions else ()
    return ChatRequest(
        messages=(*instructions, *conversation) if conversation else (),
        tools=tools,
        tool_choice=_tool_choice(choice, names),
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=_response_format(body.text),
        sampling=_sampling(body),
    )


def _tool_choice(choice: str | wire.ToolChoiceIn | None, names: ToolNames) -> ToolChoice:
    match choice:
        case "none" | "required":
            return ToolChoice(choice)
        case wire.ToolChoiceIn(type="allowed_tools"):
            return ToolChoice(choice.mode)
        case wire.ToolChoiceIn(type="function" | "custom", name=str() as name):
            return ToolChoice("named", names.chosen(name, choice.namespace))
        case wire.ToolChoiceIn(type="function" | "custom"):
            raise RequestInvalid("tool_choice.name", "Field required")
        case _:
            # A provider's own tool, which nobody here could run.
            return ToolChoice()


def _response_format(text: wire.TextIn | None) -> ResponseFormat | None:
    wanted = text.format if text else None
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return ResponseFormat("json_object")
    return ResponseFormat("json_schema", wanted.name, wanted.json_schema, wanted.strict)


def _sampling(body: wire.InputRequest) -> Sampling:
    effort = body.reasoning.effort if body.reasoning else None
    if not isinstance(body, wire.ResponseRequest):
        return Sampling(reasoning_effort=effort)
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_output_tokens,
        reasoning_effort=effort,
        extra=dict(_extra(body)),
    )


def _extra(body: wire.ResponseRequest) -> Iterator[tuple[str, Any]]:
    for name, value in (body.model_extra or {}).items():
        if name in PASSED_ON and value is not None:
            yield name, value
    if body.text and body.text.verbosity:
        yield "verbosity", body.text.verbosity
