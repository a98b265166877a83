from __future__ import annotations

from actors.models.estimate import estimate
from workflows.messages import ChatRequest, Image, Message, Reasoning, Text, Tool, ToolCall, ToolResult

NOTHING = Message("assistant", ())


def test_an_estimate_is_always_marked_as_one() -> None:
    assert estimate(ChatRequest(()), NOTHING).estimated


def test_everything_that_is_sent_counts() -> None:
    plain = ChatRequest((Message.of("user", "x" * 40),))
    assert estimate(plain, NOTHING).input_tokens == 10
    more = [
        ChatRequest(plain.messages, (Tool("f", "does f", {"type": "object"}),)),
        plain.extended(Message("tool", (ToolResult("a", (Text("result"),)),))),
        plain.extended(Message("assistant", (ToolCall("a", "f", "{}"),))),
        plain.extended(Message("user", (Image("data:image/png;base64,AAAA"),))),
    ]
    assert all(estimate(request, NOTHING).input_tokens > 10 for request in more)


def test_an_image_counts_as_a_picture_and_not_as_its_base64() -> None:
    picture = Message("user", (Image("data:image/png;base64," + "A" * 1_000_000),))
    assert estimate(ChatRequest((picture,)), NOTHING).input_tokens < 5_000


def test_thinking_is_a_part_of_what_was_written() -> None:
    usage = estimate(ChatRequest(()), Message("assistant", (Reasoning("y" * 40), Text("z" * 20))))
    assert (usage.output_tokens, usage.reasoning_tokens) == (15, 10)
