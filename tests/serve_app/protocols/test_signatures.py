"""A provider's signature of a thought reaches the client and comes back, where the wire has room for it."""

from __future__ import annotations

import json
from typing import Any

from serve_app.protocols.anthropic_messages import translate as messages
from serve_app.protocols.anthropic_messages import wire as messages_wire
from serve_app.protocols.anthropic_messages.stream import MessageEncoder
from serve_app.protocols.openai_chat.stream import ChunkEncoder
from serve_app.protocols.openai_responses import wire as responses_wire
from serve_app.protocols.openai_responses.body import begun
from serve_app.protocols.openai_responses.stream import ResponseEncoder
from serve_app.protocols.openai_responses.translate import asked, form_of
from tests.serve_app.scripted_host import finished
from workflows.answer import AnswerEvent
from workflows.messages import Reasoning, ReasoningDelta, TextDelta, Usage

RUN = "run_0190"
SIGNATURE = "stellarator-b1.proof"
ANSWER: tuple[AnswerEvent, ...] = (
    ReasoningDelta("Hm, "),
    ReasoningDelta("well."),
    ReasoningDelta("", SIGNATURE),
    TextDelta("Yes."),
)
THOUGHT = Reasoning("Hm, well.", SIGNATURE)


def events(encoded: bytes) -> list[dict[str, Any]]:
    lines = encoded.decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def streamed_block() -> dict[str, Any]:
    """The thinking block of a stream of Messages, as a client puts it together."""
    encoder = MessageEncoder(RUN, "m", Usage(), thinking=True)
    block: dict[str, Any] = {"type": "thinking", "thinking": ""}
    for event in events(b"".join(map(encoder.encode, ANSWER))):
        delta = event.get("delta", {})
        block["thinking"] += delta.get("thinking", "")
        block |= {"signature": delta["signature"]} if "signature" in delta else {}
    return block


def test_messages_signs_the_block_and_reads_it_again() -> None:
    block = streamed_block()
    assert block == {"type": "thinking", "thinking": "Hm, well.", "signature": SIGNATURE}
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [block]}]
    body = messages_wire.MessagesRequest.model_validate({"model": "m", "max_tokens": 9, "messages": turns})
    assert messages.chat_request(body).messages[1].parts == (THOUGHT,)


def test_responses_seals_it_with_the_thought_and_reads_it_again() -> None:
    body = responses_wire.ResponseRequest.model_validate(
        {"model": "m", "input": "Hi", "include": ["reasoning.encrypted_content"]}
    )
    understood = asked(body, [responses_wire.MessageItem(type="message", role="user", content="Hi")])
    encoder = ResponseEncoder(begun(body, RUN, 0), RUN, form_of(body, understood), lambda: 0.0)
    for event in (*ANSWER, finished("Yes.")):
        encoder.encode(event)
    item = encoder.response["output"][0]
    assert item["summary"] == [{"type": "summary_text", "text": "Hm, well."}]
    again = responses_wire.ResponseRequest.model_validate(
        {"model": "m", "input": [item, *encoder.response["output"][1:]]}
    )
    assert isinstance(again.input, list)
    assert asked(again, again.input).request.messages[0].parts[0] == THOUGHT


def test_chat_has_no_room_for_it() -> None:
    encoder = ChunkEncoder(RUN, "m", 0, include_usage=False)
    assert encoder.encode(ReasoningDelta("", SIGNATURE)) == b""
