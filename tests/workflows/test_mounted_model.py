"""One LLM mounted as a tool, and pictures by reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.flows import answered, failed, run_request
from workflows.catalog import template
from workflows.flow import Call, Returned, ToolOutcome, ToolUse, UseTools, advance
from workflows.fusion import Answer, converse
from workflows.messages import ChatRequest, Image, Message, Text, ToolCall, ToolResult
from workflows.mounted import carry_out
from workflows.pictures import by_reference, pictures, referred
from workflows.policy import Allowance

VISION = template("vision-mount")
ONE, TWO = Image("data:image/png;base64,AAAA"), Image("https://example.invalid/two.png")
SHOWN = ChatRequest(
    (
        Message("user", (Text("What is this?"), ONE)),
        Message.of("assistant", "A cat."),
        Message("user", (Text("And this?"), TWO)),
    )
)


def use(arguments: str, conversation: ChatRequest = SHOWN) -> ToolUse:
    call = ToolCall("call_1", "look_at_image", arguments)
    return ToolUse("look_at_image.1", "main", "look_at_image", call, conversation)


def begin(arguments: str) -> Any:
    flow = carry_out(VISION, use(arguments), seed=1)
    return flow, advance(flow)


def test_the_mounted_model_gets_the_picture_that_the_call_names() -> None:
    _, call = begin('{"task": "What animal?", "images": ["image 1"]}')
    assert isinstance(call, Call)
    assert call.model == "eyes"
    assert call.request.messages[-1].parts == (Text("What animal?"), ONE)


def test_without_a_name_it_gets_the_latest_pictures() -> None:
    _, call = begin('{"task": "What animal?"}')
    assert call.request.messages[-1].parts == (Text("What animal?"), TWO)


def test_its_answer_is_the_tool_result() -> None:
    flow, call = begin('{"task": "What animal?"}')
    end = advance(flow, answered(call, "A dog."))
    assert isinstance(end, Returned)
    assert isinstance(end.value, ToolOutcome)
    assert end.value.result == ToolResult("call_1", (Text("A dog."),))
    assert end.value.usage.input_tokens == 100


def test_a_picture_that_does_not_exist_is_a_hint_and_no_call() -> None:
    _, end = begin('{"task": "What animal?", "images": ["image 7"]}')
    assert isinstance(end, Returned)
    assert end.value.status == "skipped"
    assert "image 1, image 2" in end.value.result.text


def test_a_failed_model_is_an_error_result_that_the_main_llm_can_live_with() -> None:
    flow, call = begin('{"task": "What animal?"}')
    end = advance(flow, failed(call))
    assert isinstance(end, Returned)
    assert end.value.result.is_error
    assert end.value.status == "failed"


def test_it_may_take_what_is_left_of_the_runs_limits_and_no_more() -> None:
    left = Allowance(tokens=2_500, seconds=5.0)
    call = advance(carry_out(VISION, replace(use('{"task": "What animal?"}'), allowance=left), seed=1))
    assert isinstance(call, Call)
    assert (call.request.sampling.max_tokens or 0) < 500
    assert call.timeout == 5.0
    end = advance(carry_out(VISION, replace(use('{"task": "x"}'), allowance=Allowance(tokens=50)), seed=1))
    assert isinstance(end, Returned)
    assert (end.value.status, end.value.detail["gate"]) == ("skipped", "max_tokens")


def test_the_main_llm_reads_references_and_the_tool_still_sees_the_pictures() -> None:
    flow = converse(VISION, run_request(request=SHOWN))
    turn = advance(flow)
    assert isinstance(turn, Call)
    assert pictures(turn.request) == ()
    assert "[image 2]" in turn.request.messages[-1].text
    uses = advance(flow, answered(turn, "", ToolCall("c", "look_at_image", '{"task": "?"}')))
    assert isinstance(uses, UseTools)
    assert pictures(uses.uses[0].conversation) == (ONE, TWO)


def test_a_mounted_model_is_no_panel() -> None:
    flow = converse(VISION, run_request(request=SHOWN))
    turn = advance(flow)
    assert isinstance(turn, Call)
    advance(flow, answered(turn, "", ToolCall("c", "look_at_image", '{"task": "?"}')))
    last = advance(flow, (ToolOutcome(ToolResult("c", (Text("A dog."),)), "ran"),))
    assert isinstance(last, Call)
    end = advance(flow, answered(last, "It is a dog."))
    assert isinstance(end, Returned)
    assert isinstance(end.value, Answer)
    assert end.value.panel == "skipped"


@given(st.lists(st.lists(st.sampled_from(["text", "picture", "result"]), max_size=4), max_size=5))
def test_every_reference_that_the_main_llm_reads_names_its_picture(shape: list[list[str]]) -> None:
    numbers = iter(range(100))
    messages = []
    for parts in shape:
        built: list[Any] = []
        for part in parts:
            picture = Image(f"data:{next(numbers)}")
            built.append(
                {"text": Text("-"), "picture": picture, "result": ToolResult("c", (Text("-"), picture))}[part]
            )
        messages.append(Message("user", tuple(built)))
    request = ChatRequest(tuple(messages))
    told = by_reference(request)
    assert pictures(told) == ()
    for number, picture in enumerate(pictures(request), start=1):
        assert f"[image {number}]" in str(told)
        assert referred(request, [f"image {number}"]) == (picture,)
