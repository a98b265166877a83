"""The spans of a run, in every process that takes part in it.

Spans are started under an explicit W3C context (`telemetry.carrier`) and ended explicitly: a run crosses processes,
tasks and generators, where "the current span" would be somebody else's. Names and attributes come from
`cluster.semconv`. A span that others lie below has the identity of its run or step, so that a process that takes over
from a killed one goes on with the same span. An attempt has none: who makes it again makes another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from actors import span_contents
from actors.models.sampling import defaults
from actors.orders import CallOrder, PanelOrder
from cluster import semconv, telemetry
from workflows.answer import AnswerFinished, RunRequest
from workflows.attempts import attempt_of
from workflows.errors import Failure
from workflows.flow import Answered, Call, Cancelled, Failed, Outcome, ToolOutcome
from workflows.messages import Usage
from workflows.resume import Earlier
from workflows.spec import ModelSpec, WorkflowSpec

carrier = telemetry.carrier
trace_id = telemetry.trace_id_of
trace_id_in = telemetry.trace_id_in


def server(method: str, route: str, parent: str) -> Span:
    """The span of an HTTP request; `parent` is the client's own context."""
    return telemetry.start(f"{method} {route}", parent, SpanKind.SERVER, semconv.server(method, route))


def end_server(span: Span, status: int) -> None:
    """End the span of an HTTP request; a status of 0: the client was gone before there was one."""
    if status:
        span.set_attributes(semconv.server_response(status))
    if status >= semconv.HTTP_ERROR:
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def workflow(spec: WorkflowSpec, run: RunRequest, earlier: Earlier) -> Span:
    """The span of a whole run, or of one of its lives.

    It belongs to the trace of the request that the run, or this life, answers, also when the run outlives it. A life
    that began without a request has a trace of its own. Every later life links to the span of the first, and tells that
    span when the process that had begun it was lost with it.
    """
    attributes = semconv.workflow(run.virtual_model, run.run_id, protocol=run.protocol, stream=run.stream)
    if lost := earlier.lost:
        end_failed(
            telemetry.start(
                semconv.workflow_span(spec.name),
                lost.traceparent,
                attributes=attributes,
                identity=_identity(run.run_id),
                at=lost.at,
            ),
            Failure("process_lost", ""),
        )
    first = telemetry.link(earlier.first_trace, _identity(run.run_id)) if earlier.lives else None
    return telemetry.start(
        semconv.workflow_span(spec.name),
        run.traceparent,
        attributes=attributes,
        identity=_identity(run.run_id, life=earlier.lives + 1),
        links=[first] if first else (),
    )


def tool(order: PanelOrder) -> Span:
    """The span of one call of a mounted tool."""
    use, spec = order.use, order.workflow
    mounted = spec.tools.get(use.tool)
    span = telemetry.start(
        semconv.tool_span(use.tool),
        order.traceparent,
        attributes=semconv.tool(
            use.tool,
            use.call.id,
            description=mounted.description if mounted else None,
            workflow_name=spec.name,
        )
        | semconv.step(use.step_id, "tool", run_id=order.run_id),
        identity=_identity(order.run_id, use.step_id, order.traceparent),
    )
    if telemetry.captures_content():
        span.set_attributes(semconv.content(arguments=use.call.arguments))
    return span


def turn(call: Call, model: ModelSpec, attempt: int, run_id: str, parent: str, *, workflow_name: str) -> Span:
    """The span of one attempt at a turn of the main LLM."""
    return _chat(
        call,
        model,
        parent,
        semconv.step(call.step_id, call.kind, run_id=run_id, name=call.name, alias=call.model)
        | semconv.attempt(attempt),
        workflow_name=workflow_name,
    )


def attempt(order: CallOrder) -> Span:
    """The span of one attempt of a branch or a synthesis, where it is made."""
    return _attempt(order, time() - order.ordered_at)


def lost(order: CallOrder, failure: Failure) -> None:
    """The whole span of an attempt whose process was lost with it, from its order until now."""
    span = _attempt(order, None, at=order.ordered_at)
    _fail(span, failure)
    span.end()


def queued(span: Span, seconds: float) -> None:
    """Say how long an attempt waited for its turn."""
    if span.is_recording():
        span.set_attributes(semconv.queued(seconds))


def end(span: Span, outcome: Outcome) -> None:
    """End the span of one attempt."""
    if not span.is_recording():
        return
    match outcome:
        case Answered():
            _answered(span, outcome)
        case Failed(failure=failure):
            span.set_attributes(_usage(outcome.usage))
            _fail(span, failure)
        case Cancelled(reason=reason):
            span.set_attributes(_usage(outcome.usage))
            _cancel(span, reason)
    span.end()


def end_tool(span: Span, outcome: ToolOutcome, attempts: int) -> None:
    """End the span of a mounted tool's call; `attempts` is how many model calls were ordered for it."""
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
            attempts=attempts,
            ended_by=outcome.detail.get("ended_by"),
            input_tokens=outcome.usage.input_tokens,
            output_tokens=outcome.usage.output_tokens,
            cost_usd=outcome.cost_usd,
        )
    )
    if telemetry.captures_content():
        span.set_attributes(semconv.content(result=outcome.result.text))
    if outcome.status == "failed":
        _fail(span, Failure(str(outcome.detail.get("failure") or "panel_failed"), ""))
    span.end()


def end_workflow(span: Span, finished: AnswerFinished, first_token_seconds: float | None) -> None:
    """End the span of a run that was answered; `first_token_seconds` is when its client saw something."""
    if span.is_recording():
        span.set_attributes(
            _usage(finished.total_usage)
            | semconv.chat_response(
                finish_reason=finished.finish_reason,
                cost_usd=finished.cost_usd,
                first_chunk_seconds=first_token_seconds,
            )
            | {"stellarator.panel.status": finished.panel}
        )
    span.end()


def end_failed(span: Span, failure: Failure) -> None:
    """End a span with an error."""
    _fail(span, failure)
    span.end()


def end_cancelled(span: Span, reason: str) -> None:
    """End a span of something that was stopped: no answer, and no error either."""
    _cancel(span, reason)
    span.end()


def credited(run_id: str, step_id: str, attribution: Mapping[str, Any], parent: str, began: float) -> None:
    """The whole span of working out what a panel's branches contributed: in the run's trace, after its end.

    `attribution` is `workflows.attribution.Attribution` as JSON; `began` is Unix time in seconds.
    """
    attributes = semconv.step(step_id, "credit", run_id=run_id)
    for each in attribution["contributions"]:
        attributes |= semconv.contribution(
            each["branch"], synthesis=each["synthesis"], answer=each["answer"], unique=each["unique"]
        )
    telemetry.start(semconv.credit_span(step_id), parent, attributes=attributes, at=began).end()


def _answered(span: Span, outcome: Answered) -> None:
    completion, first = outcome.completion, outcome.first_token_seconds
    span.set_attributes(
        _usage(completion.usage)
        | semconv.chat_response(
            model=completion.model,
            response_id=completion.response_id,
            finish_reason=completion.finish_reason,
            first_chunk_seconds=first,
            cost_usd=completion.cost_usd,
        )
    )
    if first is not None:
        began = time() - outcome.seconds
        span.add_event(semconv.FIRST_TOKEN, timestamp=int((began + first) * 1e9))
    if telemetry.captures_content():
        span.set_attributes(span_contents.answered(completion.message))


def _attempt(order: CallOrder, queued: float | None, *, at: float | None = None) -> Span:
    call = order.call
    step_id, number, hedge = attempt_of(call.step_id)
    return _chat(
        call,
        order.model,
        order.traceparent,
        semconv.step(step_id, call.kind, run_id=order.run_id, name=call.name, alias=call.model)
        | semconv.attempt(number, hedge=hedge, queued_seconds=None if queued is None else max(0.0, queued)),
        workflow_name=order.workflow,
        agent_name=call.name,
        at=at,
    )


def _chat(
    call: Call,
    model: ModelSpec,
    parent: str,
    own: semconv.Attributes,
    *,
    workflow_name: str,
    agent_name: str = "",
    at: float | None = None,
) -> Span:
    if not telemetry.is_on():
        return telemetry.start(semconv.chat_span(model.model), parent)
    sampling = call.request.sampling.over(defaults(model))
    span = telemetry.start(
        semconv.chat_span(model.model),
        parent,
        SpanKind.CLIENT,
        semconv.chat_request(
            model.model,
            base_url=model.base_url or "",
            workflow_name=workflow_name,
            agent_name=agent_name,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            stop=sampling.stop,
            reasoning_effort=sampling.reasoning_effort,
            output_type="json" if call.request.response_format else None,
            stream=True,
        )
        | own,
        at=at,
    )
    if telemetry.captures_content():
        span.set_attributes(span_contents.asked(call.request.messages))
    return span


def _identity(run_id: str, step_id: str = "", parent: str = "", *, life: int = 1) -> str:
    # Two lives may be in one trace, when a client repeats its request within it.
    return f"{run_id}/{step_id}/{parent or life}"


def _fail(span: Span, failure: Failure) -> None:
    span.set_attributes(semconv.error(failure.code))
    span.set_status(Status(StatusCode.ERROR, failure.code))


def _cancel(span: Span, reason: str) -> None:
    span.set_attributes(semconv.error("cancelled"))
    span.add_event(semconv.CANCELLED, {"stellarator.reason": reason})


def _usage(usage: Usage) -> semconv.Attributes:
    return semconv.usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=usage.estimated,
    )
