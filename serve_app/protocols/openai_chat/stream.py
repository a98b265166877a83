"""A streamed answer as Chat Completions chunks: neutral events in, wire bytes out.

One encoder a stream. What all its chunks share is put into bytes once; an event costs the JSON of its own
small part. The order is: opening (role), deltas, finish, usage when asked for, ``[DONE]``; after an error
comes its envelope and nothing else, least of all a normal end.
"""

from __future__ import annotations

from typing import Any

from serve_app.bodies import compact
from serve_app.errors import Fault, openai_envelope
from serve_app.protocols.openai_chat.translate import completion_id, extension, token_counts
from serve_app.protocols.progress import marked
from serve_app.sse import frame
from workflows.answer import AnswerEvent, AnswerFinished, Progress
from workflows.messages import ReasoningDelta, TextDelta, ToolCallDelta

_DONE = b"data: [DONE]\n\n"


class ChunkEncoder:
    """Encodes one answer.

    Args:
        run_id: gives the answer its id.
        model: the virtual model's name.
        created: Unix time in seconds.
        include_usage: whether the client asked for a usage chunk.
    """

    def __init__(self, run_id: str, model: str, created: int, *, include_usage: bool) -> None:
        self._run_id = run_id
        self._include_usage = include_usage
        self._head: dict[str, Any] = {
            "id": completion_id(run_id),
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        null_usage = ',"usage":null' if include_usage else ""
        self._before = f'data: {compact(self._head)[:-1]},"choices":[{{"index":0,"delta":'
        self._after = f',"logprobs":null,"finish_reason":null}}]{null_usage}}}\n\n'

    def opening(self) -> bytes:
        """The first chunk: the role."""
        return self._delta('{"role":"assistant","content":""}')

    def ping(self) -> bytes:
        """A sign of life: the only form that every measured client takes for one and none chokes on."""
        return self._delta('{"content":""}')

    def encode(self, event: AnswerEvent) -> bytes:
        """The bytes of one event; none for an event that this wire format does not show."""
        match event:
            case TextDelta():
                return self._delta(f'{{"content":{compact(event.text)}}}')
            case ReasoningDelta(text) if text:  # a signature has no room here
                return self._delta(f'{{"reasoning_content":{compact(event.text)}}}')
            case Progress(line):
                return self._delta(f'{{"reasoning_content":{compact(marked(line))}}}')
            case ToolCallDelta():
                return self._delta(compact({"tool_calls": [_tool_call(event)]}))
            case AnswerFinished():
                return self._ending(event)
            case _:
                return b""

    def _delta(self, delta: str) -> bytes:
        return f"{self._before}{delta}{self._after}".encode()

    def _ending(self, finished: AnswerFinished) -> bytes:
        """The last chunks. The extension rides on the very last one, wherever that is."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": finished.finish_reason}
        finish = {**self._head, "choices": [choice]}
        ours = {"stellarator": extension(self._run_id, finished)}
        if not self._include_usage:
            return frame(compact({**finish, **ours})) + _DONE
        usage = {**self._head, "choices": [], "usage": token_counts(finished.usage), **ours}
        return frame(compact({**finish, "usage": None})) + frame(compact(usage)) + _DONE


def error_chunk(fault: Fault) -> bytes:
    """The last piece of a stream that failed."""
    return frame(compact(openai_envelope(fault)))


def _tool_call(delta: ToolCallDelta) -> dict[str, Any]:
    """A piece of a tool call: id, type and name come once, with the first piece."""
    if not delta.name:
        return {"index": delta.index, "function": {"arguments": delta.arguments}}
    return {
        "index": delta.index,
        "id": delta.id,
        "type": "function",
        "function": {"name": delta.name, "arguments": delta.arguments},
    }
