"""Who may call a mounted tool, and when: its arguments, its `when` conditions, and what is left of the run's limits.

A call that is turned away costs nothing but the main LLM's turn: nobody is asked, and the main LLM reads a hint that it
can act on. The gates, in their order, and what they are called in the tool's detail (`gate`):

| gate | passes when |
| --- | --- |
| `schema` | the arguments are JSON and satisfy the tool's `input_schema` |
| `max_panels_per_run` | the run may convene another panel |
| `max_calls` | the tool was carried out fewer times in this run |
| `max_seconds` | at least `LEAST_SECONDS` of the run's time are left |
| `min_length` | the named arguments have so many characters |
| `media` | an argument or the conversation has an image, or a file |
| `arguments` | the arguments satisfy this further JSON Schema |
| `images` | every picture that the arguments name is in the conversation (`mode: model`) |

`max_cost_usd`, `max_tokens` and `unpriced` turn a call away as well, once it is known what it may take (`workflows.budget`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from workflows.flow import ToolOutcome, ToolUse
from workflows.messages import ChatRequest, File, Image, Part, Text, ToolResult
from workflows.policy import LEAST_SECONDS, Allowance
from workflows.spec import ToolSpec, WhenSpec

_ANSWER = "Answer without this tool."
_IMAGE = re.compile(
    r"data:image/|https?://\S+\.(?:png|jpe?g|gif|webp|bmp|avif|heic|svg)(?:[?#]\S*)?$", re.IGNORECASE
)
_FILE = re.compile(
    r"data:(?!image/)[\w.+-]+/|https?://\S+\.(?:pdf|docx?|xlsx?|pptx?|csv|zip|md|txt)(?:[?#]\S*)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hint:
    """Why a call was turned away: the gate's name, and what the main LLM is told."""

    gate: str
    text: str


def admit(tool: ToolSpec, use: ToolUse) -> dict[str, Any] | Hint:
    """The call's arguments, parsed, when it passes every gate; else the first that is closed."""
    arguments = read_arguments(use.call.arguments, tool.input_schema)
    if isinstance(arguments, str):
        return Hint("schema", f"{arguments} Correct them and call again.")
    when = tool.when or WhenSpec()
    closed = (*_run(use, when), *_conditions(when, arguments, use.conversation))
    return next(iter(closed), arguments)


def turned_away(use: ToolUse, hint: Hint, **detail: Any) -> ToolOutcome:
    """The outcome of a call that was not carried out; only wrong arguments are the main LLM's error."""
    result = ToolResult(use.call.id, (Text(hint.text),), is_error=hint.gate == "schema")
    return ToolOutcome(result, "skipped", detail={"gate": hint.gate, "hint": hint.text, **detail})


def unaffordable(short: str, *, unpriced: bool = False) -> Hint:
    """The hint when `cost_usd` or `tokens` are too little for anything, or the cost of everything is unknown."""
    if unpriced:
        return Hint("unpriced", f"This tool cannot be used, because its cost is not known. {_ANSWER}")
    lacking = "too little money is" if short == "cost_usd" else "too few tokens are"
    return Hint(f"max_{short}", f"This tool cannot be used: {lacking} left for it. {_ANSWER}")


def read_arguments(text: str, input_schema: dict[str, Any]) -> dict[str, Any] | str:
    """Parse a tool call's arguments; return what is wrong, for the main LLM to mend, when they do not fit."""
    try:
        arguments = json.loads(text or "{}")
    except ValueError as error:
        return f"The arguments are not valid JSON: {error}."
    if not isinstance(arguments, dict):
        return "The arguments must be a JSON object."
    wrong = _violations(arguments, input_schema)
    return f"The arguments do not fit the tool's schema: {wrong}." if wrong else arguments


def has_media(arguments: Mapping[str, Any], conversation: ChatRequest, kind: str) -> bool:
    """Whether an argument is the address of an image or file, or the conversation has one. `kind`: image, file, any."""
    told = [_kind(text) for text in _texts(arguments)]
    shown = [_part_kind(part) for message in conversation.messages for part in _parts(message.parts)]
    found = set(filter(None, (*told, *shown)))
    return bool(found) if kind == "any" else kind in found


def _run(use: ToolUse, when: WhenSpec) -> Iterator[Hint]:
    """What the run's limits have to say."""
    left: Allowance = use.allowance
    if left.panels == 0:
        yield Hint("max_panels_per_run", f"No further panel may be convened for this request. {_ANSWER}")
    if when.max_calls is not None and use.earlier >= when.max_calls:
        times = "once" if when.max_calls == 1 else f"{when.max_calls} times"
        yield Hint("max_calls", f"This tool may be used {times} for one request; use what it gave you.")
    if left.seconds is not None and left.seconds < LEAST_SECONDS:
        yield Hint("max_seconds", f"There is no time left for this tool. {_ANSWER}")


def _conditions(when: WhenSpec, arguments: Mapping[str, Any], conversation: ChatRequest) -> Iterator[Hint]:
    """What the tool's own conditions have to say."""
    for name, least in when.min_length.items():
        length = len(str(arguments.get(name, "")).strip())
        if length < least:
            said = f"`{name}` has {length} characters and needs at least {least}"
            yield Hint(
                "min_length",
                f"{said}: put everything that matters into it and call again, or answer without this tool.",
            )
    if when.media and not has_media(arguments, conversation, when.media):
        lacking = {"image": "an image", "file": "a file", "any": "an image or a file"}[when.media]
        yield Hint(
            "media",
            f"This tool needs {lacking}, and there is none in its arguments or in the conversation. {_ANSWER}",
        )
    if when.arguments is not None and (wrong := _violations(arguments, when.arguments)):
        yield Hint(
            "arguments",
            f"This tool is not for such a call: {wrong}. Change the arguments and call again, or answer without it.",
        )


def _violations(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    found = Draft202012Validator(schema).iter_errors(arguments)
    return "; ".join(f"{'.'.join(map(str, e.absolute_path)) or 'arguments'}: {e.message}" for e in found)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value.strip()
        case dict():
            yield from (text for item in value.values() for text in _texts(item))
        case list():
            yield from (text for item in value for text in _texts(item))


def _kind(text: str) -> str:
    return "image" if _IMAGE.match(text) else "file" if _FILE.match(text) else ""


def _parts(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield from part.content if isinstance(part, ToolResult) else (part,)


def _part_kind(part: Part) -> str:
    match part:
        case Image():
            return "image"
        case File(url=url):
            return _kind(url) or "file"
        case _:
            return ""
