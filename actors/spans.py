"""The spans of a run, in every process that takes part in it.

Spans are started under an explicit W3C parent and ended explicitly: a run crosses processes, tasks and
generators, where "the current span" would be somebody else's. Names and attributes come from `cluster.semconv`.
"""

from __future__ import annotations

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from cluster import semconv, telemetry
from workflows.answer import AnswerFinished, RunRequest
from workflows.errors import Failure
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome, ToolOutcome, ToolUse
from workflows.messages import Usage
from workflows.spec import WorkflowSpec


def server(method: str, route: str, parent: str) -> Span:
    """The span of an HTTP request; `parent` is the client's own traceparent."""
    return telemetry.tracer().start_span(
        f"{method} {route}",
        telemetry.continue_from(parent),
        SpanKind.SERVER,
        {"http.request.method": method, "http.route": route},
    )


def workflow(spec: WorkflowSpec, run: RunRequest) -> Span:
    """The span of a whole run."""
    return telemetry.tracer().start_span(
        semconv.workflow_span(spec.name),
        telemetry.continue_from(run.traceparent),
        SpanKind.INTERNAL,
        semconv.workflow(run.virtual_model, run.run_id, protocol=run.protocol, stream=run.stream),
    )


def chat(call: Call, model: str, run_id: str, parent: str) -> Span:
    """The span of one LLM call to `model`, as the provider names it."""
    sampling = call.request.sampling
    return telemetry.tracer().start_span(
        semconv.chat_span(model),
        telemetry.continue_from(parent),
        SpanKind.CLIENT,
        semconv.chat_request(
            model,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            stop=sampling.stop,
            reasoning_effort=sampling.reasoning_effort,
            output_type="json" if call.request.response_format else "text",
        )
        | semconv.step(call.step_id, call.kind, run_id=run_id, name=call.name, alias=call.model),
    )


def tool(use: ToolUse, run_id: str, parent: str) -> Span:
    """The span of one call of a mounted tool."""
    return telemetry.tracer().start_span(
        semconv.tool_span(use.tool),
        telemetry.continue_from(parent),
        SpanKind.INTERNAL,
        semconv.tool(use.tool, use.call.id) | semconv.step(use.step_id, "tool", run_id=run_id),
    )


def traceparent(span: Span) -> str:
    """The W3C context that puts other spans under this one; empty when tracing is off."""
    return telemetry.carrier(span)


def trace_id(span: Span) -> str:
    """The trace's id in 32 hex digits; empty when tracing is off."""
    return telemetry.trace_id_of(span)


def end(span: Span, outcome: Outcome) -> None:
    """End the span of an LLM call."""
    if not span.is_recording():
        return
    match outcome:
        case Answered(completion=completion):
            span.set_attributes(
                semconv.chat_response(
                    model=completion.model,
                    response_id=completion.response_id,
                    finish_reason=completion.finish_reason,
                    first_chunk_seconds=outcome.first_token_seconds,
                    cost_usd=completion.cost_usd,
                )
                | _usage(completion.usage)
            )
        case Failed(failure=failure, usage=usage):
            _mark(span, failure)
            span.set_attributes(_usage(usage))
        case Cancelled(reason=reason, usage=usage):
            span.add_event("cancelled", {"stellarator.reason": reason})
            span.set_attributes(_usage(usage) | semconv.error("cancelled"))
    span.end()


def end_tool(span: Span, outcome: ToolOutcome) -> None:
    """End the span of a mounted tool's call."""
    if not span.is_recording():
        return
    asked = outcome.detail.get("asked", ())
    ends = [outcome.detail["left_out"].get(name, "") for name in asked]
    stopped = sum(reason in {"straggler", "deadline"} for reason in ends)
    span.set_attributes(
        semconv.panel(
            outcome.status,
            started=len(asked),
            answered=ends.count(""),
            failed=len(asked) - ends.count("") - stopped,
            cancelled=stopped,
            ended_by=outcome.detail.get("ended_by"),
        )
        | _usage(outcome.usage)
    )
    if outcome.status == "failed":
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def end_workflow(span: Span, finished: AnswerFinished) -> None:
    """End the span of a run that was answered."""
    if span.is_recording():
        span.set_attributes(
            _usage(finished.total_usage)
            | semconv.chat_response(finish_reason=finished.finish_reason, cost_usd=finished.cost_usd)
            | {"stellarator.panel.status": finished.panel}
        )
    span.end()


def end_failed(span: Span, failure: Failure) -> None:
    """End a span with an error."""
    _mark(span, failure)
    span.end()


def _mark(span: Span, failure: Failure) -> None:
    span.set_attributes(semconv.error(failure.code))
    span.set_status(Status(StatusCode.ERROR, failure.code))


def _usage(usage: Usage) -> semconv.Attributes:
    return semconv.usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=usage.estimated,
    )
