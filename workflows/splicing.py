"""Hidden turns: what the main LLM's conversation holds and its client's does not, and how it gets back in. Pure.

A client sees one answer where the main LLM took several turns: it called mounted tools and heard their results, perhaps
beside a call of the client's own tool. When the client comes back with that tool's result, its conversation knows
nothing of all this. So the ids of the tool calls that a client is given name their run (`given_id`), the run keeps what
it hid (`HiddenTurns`, in its last event), and `spliced` puts it back:

    the client's                      the main LLM's
    user                              user
    assistant: text, call_<run>_1     assistant: its words, mounted call     \
                                      tool: the panel's result               | as often as there were turns
                                      assistant: its words, both calls       /
                                      tool: the mounted tool's result
    tool: result of call_<run>_1      tool: result of the model's own id

The main LLM gets its own words, ids and signed thinking back. The client's conversation stays in charge all the same:
calls that it took out are out, and text that it changed is changed. A call without a result gets one that says so, as
no provider takes one without. Of what is unknown (another server's calls, a run that was deleted or whose contents were
never kept) nothing is put back, and the conversation goes to the main LLM as the client sent it: it is whole without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from workflows.messages import ChatRequest, Message, Part, Reasoning, Text, ToolCall, ToolResult

NO_RESULT = "The client sent no result of this call."

_GIVEN = re.compile(r"call_([0-9a-f]{32})_[0-9]+")
"""At most 40 characters for 99 calls, as OpenAI wants; Anthropic allows these letters, and Responses 64 of them."""


@dataclass(frozen=True, slots=True)
class HiddenTurns:
    """What one run, which ended in calls of its client's tools, added to the main LLM's conversation.

    Attributes:
        turns: every message of it, oldest first: exchanges with mounted tools, the assistant's message with the
            client's calls, results of mounted tools that were called beside them.
        calls: the client's calls: the id that the client was given, to the id that the model wrote.
        said: the text that the client was told, of all turns together.
    """

    turns: tuple[Message, ...]
    calls: dict[str, str] = field(default_factory=dict)
    said: str = ""


def given_id(run_id: str, number: int) -> str:
    """The id that a client is given for the call of this number, from 1, of a run."""
    return f"call_{run_id.removeprefix('run_')}_{number}"


def runs_named(request: ChatRequest) -> tuple[str, ...]:
    """The runs that the tool traffic in a conversation may come from, oldest first."""
    found = (
        _GIVEN.fullmatch(part.id if isinstance(part, ToolCall) else part.call_id)
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall | ToolResult)
    )
    return tuple(dict.fromkeys(f"run_{match[1]}" for match in found if match))


def spliced(conversation: Sequence[Message], remembered: Mapping[str, HiddenTurns]) -> tuple[Message, ...]:
    """The conversation with the hidden turns of these runs, by run id, put back where their calls stand."""
    origin = {given: run_id for run_id, hidden in remembered.items() for given in hidden.calls}
    brought = _brought(conversation, origin)
    told: list[Message] = []
    for message in conversation:
        runs, rest = _taken_apart(message, origin)
        if not runs:
            told.append(message)
            continue
        fresh = [run_id for run_id in runs if run_id in brought]
        is_answer = message.role == "assistant" and bool(fresh)
        for run_id in fresh:
            own = rest if is_answer and run_id == fresh[-1] else None
            if own is not None and (begun := _begun(told, own, remembered[run_id].said)):
                own = (*(part for message in told[-begun:] for part in (*message.parts, Text("\n"))), *own)
                del told[-begun:]
            told += _put_back(remembered[run_id], brought.pop(run_id), own)
        left = () if is_answer else _kept(rest, remembered[runs[-1]].said)
        if left:
            told.append(replace(message, parts=left))
    return tuple(told)


def _brought(
    conversation: Sequence[Message], origin: Mapping[str, str]
) -> dict[str, dict[str, ToolResult | None]]:
    """Which calls of each run the client still has, by the ids it was given, with their results."""
    brought: dict[str, dict[str, ToolResult | None]] = {}
    for message in conversation:
        for part in message.parts:
            match part:
                case ToolCall(id=given) if given in origin:
                    brought.setdefault(origin[given], {}).setdefault(given, None)
                case ToolResult(call_id=given) if given in origin:
                    calls = brought.setdefault(origin[given], {})
                    calls[given] = calls.get(given) or part
    return brought


def _taken_apart(message: Message, origin: Mapping[str, str]) -> tuple[list[str], tuple[Part, ...]]:
    """The runs whose traffic a message holds, and what else is in it."""
    runs: dict[str, None] = {}
    rest: list[Part] = []
    for part in message.parts:
        match part:
            case ToolCall(id=given) | ToolResult(call_id=given) if given in origin:
                runs[origin[given]] = None
            case _:
                rest.append(part)
    return list(runs), tuple(rest)


def _begun(told: Sequence[Message], own: tuple[Part, ...], said: str) -> int:
    """How many messages before the one with the calls are its beginning: Responses sets texts of different turns apart."""
    words, wanted, count = _words(own), said.split(), 0
    while words != wanted and count < len(told):
        before = told[-count - 1]
        if before.role != "assistant" or before.tool_calls:
            return 0
        words = [*_words(before.parts), *words]
        count += 1
    return count if words == wanted else 0


def _put_back(
    hidden: HiddenTurns, results: Mapping[str, ToolResult | None], own: tuple[Part, ...] | None
) -> Iterator[Message]:
    """A run's turns with the client's results behind them.

    Args:
        hidden: what the run hid.
        results: of the calls that the client still has, by the ids it was given.
        own: what else the client has in the message with the calls; None when it has the message no longer.
    """
    is_edited = own is not None and _words(own) != hidden.said.split()
    turns = tuple(map(_speechless, hidden.turns)) if is_edited else hidden.turns
    last = max(index for index, message in enumerate(turns) if message.role == "assistant")
    before, answer, behind = turns[:last], turns[last], turns[last + 1 :]
    answered = {hidden.calls[given] for given in results} | set(_result_ids(behind))
    parts = [part for part in answer.parts if not isinstance(part, ToolCall) or part.id in answered]
    yield from before
    yield replace(answer, parts=_with(parts, _kept(own or (), hidden.said)))
    yield from behind
    for given, result in results.items():
        call_id = hidden.calls[given]
        missing = ToolResult(call_id, (Text(NO_RESULT),), is_error=True)
        yield Message("tool", (replace(result, call_id=call_id) if result else missing,))


def _result_ids(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield from (part.call_id for part in message.parts if isinstance(part, ToolResult))


def _kept(own: tuple[Part, ...], said: str) -> tuple[Part, ...]:
    """Parts of the client's version that stand: not its copies of the model's thinking and of unchanged text."""
    copied = (Reasoning, Text) if _words(own) == said.split() else (Reasoning,)
    return tuple(part for part in own if not isinstance(part, copied))


def _with(parts: Sequence[Part], more: Sequence[Part]) -> tuple[Part, ...]:
    """An assistant's parts with more of them; whatever is said stands before the calls."""
    both = (*parts, *more)
    spoken = tuple(part for part in both if not isinstance(part, ToolCall))
    return (*spoken, *(part for part in both if isinstance(part, ToolCall)))


def _speechless(message: Message) -> Message:
    """An assistant's message without its text; any other as it is."""
    if message.role != "assistant":
        return message
    return replace(message, parts=tuple(part for part in message.parts if not isinstance(part, Text)))


def _words(parts: Sequence[Part]) -> list[str]:
    """The text by its words: clients trim and re-wrap what they keep."""
    return "".join(part.text for part in parts if isinstance(part, Text)).split()
