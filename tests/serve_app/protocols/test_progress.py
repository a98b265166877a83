"""What a client was told of a panel's progress does not reach a model when the client sends it back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.protocols.anthropic_messages import translate as messages
from serve_app.protocols.anthropic_messages.wire import MessagesRequest
from serve_app.protocols.controls import Controls
from serve_app.protocols.openai_chat import translate as chat
from serve_app.protocols.openai_chat.wire import ChatCompletionRequest
from serve_app.protocols.openai_responses import translate as responses
from serve_app.protocols.openai_responses.wire import ResponseRequest
from serve_app.protocols.progress import SEAL, marked, unmarked
from workflows.messages import Message, Reasoning, Text

LINE = "broad thinks"


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"))), st.text())
def test_lines_of_progress_are_found_in_front_of_any_thought(lines: list[str], thought: str) -> None:
    assert unmarked("".join(map(marked, lines)) + thought) == unmarked(thought)


def test_chat_completions_keeps_the_models_own_thoughts() -> None:
    told = {"role": "assistant", "content": "Hi", "reasoning_content": f"{marked(LINE)}Hmm"}
    body = ChatCompletionRequest.model_validate({"model": "m", "messages": [told]})
    assert chat.chat_request(body).messages == (Message("assistant", (Reasoning("Hmm"), Text("Hi"))),)


def thinking(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": LINE, "signature": signature}


def conversation(*blocks: dict[str, Any]) -> tuple[Message, ...]:
    wired = {"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": list(blocks)}]}
    return messages.chat_request(MessagesRequest.model_validate(wired)).messages


def test_messages_drops_the_block_and_a_turn_that_was_nothing_else() -> None:
    text = {"type": "text", "text": "Hi"}
    assert conversation(thinking(SEAL), thinking("0123"), text) == (
        Message("assistant", (Reasoning(LINE, "0123"), Text("Hi"))),
    )
    assert conversation(thinking(SEAL)) == ()


@pytest.mark.parametrize(
    "told",
    [{"encrypted_content": SEAL}, {"id": "rs_0123_p0"}, {"id": "rs_0123_p0", "encrypted_content": None}],
)
def test_responses_drops_the_item_by_its_seal_or_its_id(told: dict[str, Any]) -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": LINE}], **told}
    body = ResponseRequest.model_validate({"model": "m", "input": [item, {"role": "user", "content": "Go"}]})
    request = responses.asked(body, responses.input_items(body)).request
    assert request.messages == (Message.of("user", "Go"),)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, True),
        ({"type": "adaptive", "display": "updates"}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
        ({"type": "disabled"}, False),
    ],
)
def test_messages_tells_progress_to_whom_it_shows_thoughts(config: dict[str, Any] | None, told: bool) -> None:
    wired = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Go"}]}
    body = MessagesRequest.model_validate({**wired, **({"thinking": config} if config else {})})
    assert messages.run_request(body, Controls(progress=True), (), "run_1").progress is told


def test_nobody_is_told_in_an_unstreamed_answer() -> None:
    body = ChatCompletionRequest.model_validate(
        {"model": "m", "messages": [{"role": "user", "content": "Go"}]}
    )
    assert not chat.run_request(body, Controls(progress=True), (), "run_1").progress


def test_a_stream_that_can_be_resumed_tells_no_progress() -> None:
    body = ResponseRequest.model_validate({"model": "m", "input": "Go", "stream": True, "background": True})
    asked = responses.asked(body, responses.input_items(body))
    assert not responses.run_request(body, asked, Controls(progress=True), (), "run_1").progress
