"""What spans say of a call, and that prompts are in them only when that was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors import span_contents, spans
from actors.orders import CallOrder, PanelOrder
from cluster import telemetry
from cluster.settings import environment
from tests.otlp import HttpReceiver, ReceivedSpan
from workflows.answer import RunRequest
from workflows.flow import Answered, Call, Cancelled, ToolUse
from workflows.messages import ChatRequest, Completion, Image, Message, Sampling, Text, ToolCall, Usage
from workflows.resume import Earlier, LostLife
from workflows.spec import ModelSpec, WorkflowSpec

FIRST = f"00-{'a' * 32}-{'b' * 16}-01"
SECRET = "the client's secret"
MODEL = ModelSpec.model_validate(
    {"model": "gpt-5.5", "base_url": "https://llm.test:8443/v1", "temperature": 0.4}
)
CALL = Call(
    "review.1/broad#2~",
    "review.1",
    "branch",
    "broad",
    "gpt",
    ChatRequest(
        (
            Message.of("system", "Be kind."),
            Message("user", (Text(SECRET), Image("data:image/png;base64,AAAA"))),
        ),
        sampling=Sampling(max_tokens=10),
    ),
)
ORDER = CallOrder("run_1", CALL, MODEL, workflow="reviewer")
ANSWER = Answered(
    CALL.step_id, Completion(Message.of("assistant", "Fine."), "stop", Usage(3, 5)), 1.0, 0.25, "gpt"
)


@pytest.fixture
def collector() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver, environment(receiver.environment):
        yield receiver
        telemetry.shutdown()


def answered(collector: HttpReceiver) -> ReceivedSpan:
    telemetry.setup("x")
    spans.end(spans.attempt(ORDER), ANSWER)
    (span,) = collector.wait_for(bool)
    return span


def test_an_attempt_tells_its_model_its_parameters_its_figures_and_its_place(collector: HttpReceiver) -> None:
    span = answered(collector)
    told = span.attributes
    assert span.name == "chat gpt-5.5"
    assert (told["server.address"], told["server.port"]) == ("llm.test", 8443)
    assert (told["gen_ai.request.temperature"], told["gen_ai.request.max_tokens"]) == (0.4, 10)
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (3, 5)
    assert told["gen_ai.response.time_to_first_chunk"] == 0.25
    assert (told["stellarator.step.id"], told["stellarator.branch"]) == ("review.1/broad", "broad")
    assert (told["stellarator.attempt.number"], told["stellarator.attempt.hedge"]) == (2, True)
    assert told["stellarator.queued.seconds"] >= 0
    assert SECRET not in str(span)


def test_prompts_and_answers_are_in_a_span_only_when_that_is_asked_for(collector: HttpReceiver) -> None:
    with environment({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}):
        told = answered(collector).attributes
    (asked,) = json.loads(told["gen_ai.input.messages"])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": SECRET}, {"type": "image"}]}
    assert json.loads(told["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Fine."}]
    assert "Be kind." in told["gen_ai.system_instructions"]


def test_what_was_stopped_says_so_and_is_no_error(collector: HttpReceiver) -> None:
    telemetry.setup("x")
    spans.end(spans.attempt(ORDER), Cancelled(CALL.step_id, "straggler", 1.0, Usage(3, estimated=True)))
    (span,) = collector.wait_for(bool)
    assert (span.status, span.attributes["error.type"]) == (0, "cancelled")
    assert span.attributes["stellarator.usage.estimated"] is True


def test_a_tool_call_is_written_as_the_conventions_have_it() -> None:
    message = Message("assistant", (ToolCall("call_1", "look", '{"a": 1}'),))
    (said,) = json.loads(str(span_contents.answered(message)["gen_ai.output.messages"]))
    assert said["parts"] == [{"type": "tool_call", "id": "call_1", "name": "look", "arguments": '{"a": 1}'}]


SPEC = WorkflowSpec.model_validate(
    {
        "version": 1,
        "name": "plain",
        "models": {"gpt": {"model": "gpt-5.5", "base_url": "https://llm.test/v1"}},
        "main": {"model": "gpt"},
    }
)


def lives(collector: HttpReceiver, *parents: str) -> list[ReceivedSpan]:
    """The spans of a run in each of its lives: of the run, and of a tool that every life uses anew."""
    telemetry.setup("x")
    first_trace = spans.trace_id_in(parents[0])
    for number, parent in enumerate(parents):
        run = RunRequest(
            run_id="run_1", virtual_model="plain", protocol="api", request=CALL.request, traceparent=parent
        )
        whole = spans.workflow(SPEC, run, Earlier(lives=number, first_trace=first_trace))
        use = ToolUse("review.1", "main", "review", ToolCall("call_1", "review", "{}"), CALL.request)
        tool = spans.tool(PanelOrder("run_1", use, SPEC, 1, spans.carrier(whole)))
        for span in (tool, whole):
            span.end()
    return list(collector.wait_for(lambda told: len(told) == 2 * len(parents)))


def test_every_later_life_of_a_run_links_to_the_first(collector: HttpReceiver) -> None:
    told = [s for s in lives(collector, FIRST, "", "") if s.name.startswith("invoke_workflow")]
    first, *later = told
    assert (first.trace_id, first.links) == ("a" * 32, ())
    assert [span.links for span in later] == [((first.trace_id, first.span_id),)] * 2
    assert len({span.trace_id for span in told}) == 3


def test_a_first_life_that_was_lost_with_its_process_is_told_by_the_next(collector: HttpReceiver) -> None:
    """So what was begun below it, and sent by other processes, is no orphan."""
    telemetry.setup("x")
    run = RunRequest(run_id="run_1", virtual_model="plain", protocol="api", request=CALL.request)
    lost = spans.workflow(SPEC, replace(run, traceparent=FIRST), Earlier())
    earlier = Earlier(lives=1, first_trace="a" * 32, lost=LostLife(FIRST, 1_000_000.5))
    spans.workflow(SPEC, run, earlier).end()
    told = collector.wait_for(lambda told: len(told) == 2)
    (first,) = (span for span in told if span.trace_id == "a" * 32)
    assert (first.span_id, first.parent_id) == (spans.carrier(lost).split("-")[2], "b" * 16)
    assert (first.began, first.attributes["error.type"]) == (1_000_000.5, "process_lost")


def test_lives_in_one_trace_are_spans_of_their_own(collector: HttpReceiver) -> None:
    """A client repeats its request within one trace of its own, and the run that failed is gone on with."""
    told = lives(collector, FIRST, f"00-{'a' * 32}-{'c' * 16}-01")
    assert {span.trace_id for span in told} == {"a" * 32}
    assert len({span.span_id for span in told}) == len(told)


def test_the_trace_of_a_context_is_known_also_with_a_tracestate_and_there_may_be_none() -> None:
    assert spans.trace_id_in(f"{FIRST} vendor=abc") == "a" * 32
    assert spans.trace_id_in("") == ""
