"""The conversation of the main LLM, step by step, without Ray and models."""

from __future__ import annotations

from typing import Any

from tests.workflows.flows import answered, failed, run_request, workflow
from workflows.answer import RunRequest
from workflows.flow import Call, Failed, Flow, Returned, ToolOutcome, UseTools, advance
from workflows.fusion import Answer, converse
from workflows.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)
from workflows.spec import WorkflowSpec
from workflows.spec_parts import ExampleSpec
from workflows.splicing import HiddenTurns, given_id

REVIEW = ToolCall("call_1", "review", '{"task": "the plan"}')
CLIENT_TOOL = Tool("read_file", "Reads a file.", {"type": "object"})


def start(spec: WorkflowSpec, run: RunRequest) -> tuple[Flow[Any], Any]:
    flow = converse(spec, run)
    return flow, advance(flow)


def ran(call_id: str, text: str = "advice", status: Any = "ran") -> ToolOutcome:
    return ToolOutcome(ToolResult(call_id, (Text(text),)), status)


def test_a_plain_question_takes_one_turn_and_no_panel() -> None:
    flow, turn = start(workflow(), run_request())
    assert isinstance(turn, Call)
    end = advance(flow, answered(turn, "Yes."))
    assert isinstance(end, Returned)
    assert isinstance(end.value, Answer)
    assert end.value.panel == "skipped"
    assert end.value.completion.message.text == "Yes."


def test_the_main_llm_is_offered_mounted_tools_beside_the_clients_own() -> None:
    request = ChatRequest((Message.of("user", "Hi"),), tools=(CLIENT_TOOL,))
    _, turn = start(workflow(), run_request(request=request))
    assert [tool.name for tool in turn.request.tools] == ["read_file", "review"]


def test_a_tool_call_convenes_the_panel_and_its_result_goes_back_to_the_main_llm() -> None:
    flow, turn = start(workflow(), run_request())
    use = advance(flow, answered(turn, "", REVIEW))
    assert isinstance(use, UseTools)
    assert [(u.step_id, u.tool, u.call) for u in use.uses] == [("review.1", "review", REVIEW)]
    second = advance(flow, (ran("call_1"),))
    assert isinstance(second, Call)
    assert second.step_id == "turn.2"
    assert second.request.messages[-1] == Message("tool", (ToolResult("call_1", (Text("advice"),)),))
    end = advance(flow, answered(second, "Final."))
    assert isinstance(end, Returned)
    assert end.value.panel == "ran"


def test_several_calls_in_one_turn_become_steps_of_their_own() -> None:
    flow, turn = start(workflow(), run_request())
    other = ToolCall("call_2", "review", '{"task": "the budget"}')
    use = advance(flow, answered(turn, "", REVIEW, other))
    assert isinstance(use, UseTools)
    assert [u.step_id for u in use.uses] == ["review.1", "review.2"]
    again = advance(flow, (ran("call_1"), ran("call_2")))
    assert isinstance(again, Call)
    third = advance(flow, answered(again, "", ToolCall("call_3", "review", "{}")))
    assert isinstance(third, UseTools)
    assert third.uses[0].step_id == "review.3"


def test_trigger_always_convenes_the_panel_on_the_last_user_message_before_the_first_turn() -> None:
    flow, use = start(workflow(trigger="always"), run_request("Is it sound?"))
    assert isinstance(use, UseTools)
    assert use.uses[0].call.arguments == '{"task": "Is it sound?"}'
    turn = advance(flow, (ran(use.uses[0].call.id),))
    assert isinstance(turn, Call)
    assert turn.step_id == "turn.1"
    assert [m.role for m in turn.request.messages] == ["system", "user", "assistant", "tool"]


def test_trigger_always_does_not_convene_again_when_an_agent_brings_tool_results() -> None:
    """The panel was heard on the user's message when it came; each tool result would pay for another one."""
    messages = (
        Message.of("user", "Fix it"),
        Message("assistant", (ToolCall("c", "read_file", "{}"),)),
        Message("tool", (ToolResult("c", (Text("content"),)),)),
    )
    request = ChatRequest(messages, tools=(CLIENT_TOOL,))
    _, turn = start(workflow(trigger="always"), run_request(request=request))
    assert isinstance(turn, Call)


def test_instructions_behind_the_users_message_do_not_hide_that_the_user_spoke_last() -> None:
    """Claude Code puts its environment there."""
    request = ChatRequest((Message.of("user", "Fix it"), Message.of("system", "# Environment")))
    _, step = start(workflow(trigger="always"), run_request(request=request))
    assert isinstance(step, UseTools)


def test_the_client_can_force_the_panel_and_switch_it_off() -> None:
    _, forced = start(workflow(), run_request(panel="always"))
    assert isinstance(forced, UseTools)
    _, off = start(workflow(trigger="always"), run_request(panel="never"))
    assert isinstance(off, Call)
    assert off.request.tools == ()
    _, auto = start(workflow(trigger="always"), run_request(panel="auto"))
    assert isinstance(auto, Call)
    assert [tool.name for tool in auto.request.tools] == ["review"]


def test_a_virtual_model_in_a_panel_runs_with_its_own_panel_off() -> None:
    _, turn = start(workflow(trigger="always"), run_request(depth=1))
    assert isinstance(turn, Call)
    assert turn.request.tools == ()


def test_a_side_request_for_json_takes_one_model() -> None:
    request = ChatRequest(
        (Message.of("user", "A title, please"),), response_format=ResponseFormat("json_schema", "title", {})
    )
    _, turn = start(workflow(trigger="always"), run_request(request=request))
    assert isinstance(turn, Call)
    assert turn.request.tools == ()


def test_after_the_last_round_the_main_llm_must_answer_without_mounted_tools() -> None:
    spec = workflow().model_copy(
        update={"limits": workflow().limits.model_copy(update={"max_tool_rounds": 2})}
    )
    flow, step = start(spec, run_request())
    for number in (1, 2):
        use = advance(flow, answered(step, "", ToolCall(f"c{number}", "review", "{}")))
        assert isinstance(use, UseTools)
        step = advance(flow, (ran(f"c{number}"),))
    assert step.step_id == "turn.3"
    assert step.request.tools == ()
    end = advance(flow, answered(step, "Enough."))
    assert isinstance(end, Returned)


def test_a_turn_with_client_tools_too_runs_the_mounted_ones_and_then_the_client_is_next() -> None:
    request = ChatRequest((Message.of("user", "Hi"),), tools=(CLIENT_TOOL,))
    flow, turn = start(workflow(), run_request(request=request))
    read = ToolCall("call_2", "read_file", "{}")
    use = advance(flow, answered(turn, "Both.", REVIEW, read))
    assert isinstance(use, UseTools)
    assert [u.call for u in use.uses] == [REVIEW]
    end = advance(flow, (ran("call_1"),))
    assert isinstance(end, Returned)
    assert end.value.panel == "ran"
    assert end.value.turns == (
        Message("assistant", (Text("Both."), REVIEW, read)),
        Message("tool", (ToolResult("call_1", (Text("advice"),)),)),
    )


def test_forced_panels_and_earlier_rounds_are_among_the_turns_that_the_client_does_not_see() -> None:
    request = ChatRequest((Message.of("user", "Hi"),), tools=(CLIENT_TOOL,))
    flow, use = start(workflow(trigger="always"), run_request(request=request))
    forced = use.uses[0].call
    turn: Any = advance(flow, (ran(forced.id),))
    advance(flow, answered(turn, "", REVIEW))
    turn = advance(flow, (ran("call_1"),))
    read = ToolCall("call_2", "read_file", "{}")
    end = advance(flow, answered(turn, "Now you.", read))
    assert isinstance(end, Returned)
    assert [m.tool_calls for m in end.value.turns if m.role == "assistant"] == [(forced,), (REVIEW,), (read,)]


def test_what_earlier_runs_hid_is_told_to_the_main_llm_and_counts_neither_for_the_client_nor_as_new() -> None:
    earlier = f"run_{7:032x}"
    asked = given_id(earlier, 1)
    turns = (
        Message("assistant", (REVIEW, ToolCall("own", "read_file", "{}"))),
        Message("tool", (ToolResult("call_1", (Text("advice " * 99),)),)),
    )
    request = ChatRequest(
        (
            Message.of("user", "Hi"),
            Message("assistant", (ToolCall(asked, "read_file", "{}"),)),
            Message("tool", (ToolResult(asked, (Text("content"),)),)),
        ),
        tools=(CLIENT_TOOL,),
    )
    spec = workflow(trigger="always")
    remembered = {earlier: HiddenTurns(turns, {asked: "own"})}
    flow = converse(spec, run_request(request=request), remembered=remembered)
    turn = advance(flow)
    assert isinstance(turn, Call)
    assert turn.request.messages[2:4] == turns
    assert turn.request.messages[4] == Message("tool", (ToolResult("own", (Text("content"),)),))
    end = advance(flow, answered(turn, "", ToolCall("again", "read_file", "{}"), tokens=(1000, 10)))
    assert isinstance(end, Returned)
    assert isinstance(end.value, Answer)
    assert [m.role for m in end.value.turns] == ["assistant"]
    assert end.value.usage.input_tokens < 200


def test_a_mounted_tool_of_the_same_name_as_a_clients_gives_way() -> None:
    request = ChatRequest((Message.of("user", "Hi"),), tools=(Tool("review", "Mine.", {"type": "object"}),))
    flow, turn = start(workflow(), run_request(request=request))
    assert [tool.description for tool in turn.request.tools] == ["Mine."]
    end = advance(flow, answered(turn, "", REVIEW))
    assert isinstance(end, Returned)
    assert end.value.turns == (Message("assistant", (REVIEW,)),)


def test_a_failed_main_llm_ends_the_conversation_with_its_failure() -> None:
    flow, turn = start(workflow(), run_request())
    end = advance(flow, failed(turn))
    assert isinstance(end, Returned)
    assert isinstance(end.value, Failed)


def test_the_worst_panel_names_the_runs_panel_status() -> None:
    flow, turn = start(workflow(), run_request())
    advance(flow, answered(turn, "", REVIEW, ToolCall("call_2", "review", "{}")))
    last = advance(flow, (ran("call_1"), ran("call_2", status="degraded")))
    assert isinstance(last, Call)
    end = advance(flow, answered(last, "Done."))
    assert isinstance(end, Returned)
    assert end.value.panel == "degraded"


def test_a_system_message_of_the_client_is_joined_to_the_workflows_own() -> None:
    request = ChatRequest((Message.of("system", "Be brief."), Message.of("user", "Hi")))
    _, turn = start(workflow(), run_request(request=request))
    first, second = turn.request.messages
    assert first == Message.of("system", "You are helpful.\n\nBe brief.")
    assert second.role == "user"


def test_usage_for_the_client_leaves_out_what_we_added_to_its_conversation() -> None:
    """Agents fill their context meters with it and compact on it."""
    flow, use = start(workflow(trigger="always"), run_request("x" * 100))
    turn = advance(flow, (ran(use.uses[0].call.id, "y" * 4000),))
    assert isinstance(turn, Call)
    end = advance(flow, answered(turn, "Answer.", tokens=(1000, 7)))
    assert isinstance(end, Returned)
    assert end.value.usage.input_tokens < 100
    assert end.value.usage.output_tokens == 7


def test_usage_of_a_pass_through_request_is_the_providers_count() -> None:
    spec = workflow().model_copy(update={"main": workflow().main.model_copy(update={"system": None})})
    flow, turn = start(spec, run_request())
    end = advance(flow, answered(turn, "Answer.", tokens=(123, 7)))
    assert isinstance(end, Returned)
    assert end.value.usage == Usage(123, 7)


def test_a_tool_choice_that_named_a_mounted_tool_is_free_after_it_was_obeyed() -> None:
    request = ChatRequest((Message.of("user", "Hi"),), tool_choice=ToolChoice("named", "review"))
    flow, use = start(workflow(), run_request(request=request, panel="always", panel_tool="review"))
    turn = advance(flow, (ran(use.uses[0].call.id),))
    assert isinstance(turn, Call)
    assert turn.request.tool_choice == ToolChoice()


def test_a_panel_sees_what_was_said_and_not_our_own_system_prompt_and_examples() -> None:
    spec = workflow()
    main = spec.main.model_copy(update={"examples": (ExampleSpec(user="Hi", assistant="Hello"),)})
    flow, turn = start(spec.model_copy(update={"main": main}), run_request("The question"))
    use = advance(flow, answered(turn, "", REVIEW))
    assert isinstance(use, UseTools)
    assert use.uses[0].conversation.messages == (Message.of("user", "The question"),)


def test_a_client_without_tools_that_wants_one_used_gets_its_answer_after_the_first() -> None:
    request = ChatRequest((Message.of("user", "Hi"),), tool_choice=ToolChoice("required"))
    flow, turn = start(workflow(), run_request(request=request))
    assert turn.request.tool_choice == ToolChoice("required")
    advance(flow, answered(turn, "", REVIEW))
    second = advance(flow, (ran("call_1"),))
    assert isinstance(second, Call)
    assert second.request.tool_choice == ToolChoice()


def test_what_a_client_wants_of_its_own_tools_holds_beside_mounted_ones() -> None:
    strict = Tool("read_file", "Reads.", {"type": "object"}, strict=True)
    for choice in (ToolChoice("required"), ToolChoice("none"), ToolChoice("named", "read_file")):
        request = ChatRequest(
            (Message.of("user", "Hi"),), tools=(strict,), tool_choice=choice, parallel_tool_calls=False
        )
        _, turn = start(workflow(), run_request(request=request))
        assert turn.request.tool_choice == choice
        assert turn.request.parallel_tool_calls is False
        assert turn.request.tools[0] == strict
