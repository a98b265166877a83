"""Events to test with: one fusion run as it is really recorded, and any event that the types allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from workflows.errors import Failure
from workflows.events import (
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepStarted,
)
from workflows.messages import (
    ChatRequest,
    Completion,
    File,
    Foreign,
    Image,
    Message,
    Reasoning,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)
from workflows.splicing import HiddenTurns

BEGAN = 1_790_000_000.0
MODEL_TIMEOUT = Failure("upstream_timeout", "critic: no answer in time", retryable=True)


def asked(text: str = "Review this plan.") -> ChatRequest:
    return ChatRequest((Message.of("user", text),))


def said(text: str, tokens_in: int, tokens_out: int, cost: float | None = 0.01) -> Completion:
    return Completion(
        Message.of("assistant", text), "stop", Usage(tokens_in, tokens_out), "vendor/model", cost
    )


@dataclass(frozen=True)
class Teller:
    """Tells the events of one run."""

    run_id: str
    text: str

    def started(self, step: str, parent: str, kind: Any, name: str, second: float) -> StepStarted:
        return StepStarted(
            id=f"{self.run_id}:{step}:started",
            run_id=self.run_id,
            at=BEGAN + second,
            step_id=step,
            parent_id=parent,
            step_kind=kind,
            name=name,
            model="alias",
            request=None if kind in {"main", "tool"} else asked(self.text),
        )

    def finished(
        self, step: str, second: float, seconds: float, completion: Completion | None
    ) -> StepFinished:
        return StepFinished(
            id=f"{self.run_id}:{step}:ended",
            run_id=self.run_id,
            at=BEGAN + second,
            step_id=step,
            seconds=seconds,
            model=completion.model if completion else "",
            completion=completion,
        )


def _panel(tell: Teller, tool: str) -> list[Event]:
    started, finished = tell.started, tell.finished
    return [
        started(tool, "main", "tool", "problem_review", 1.1),
        started(f"{tool}/broad", tool, "branch", "broad", 1.2),
        started(f"{tool}/risks", tool, "branch", "risks", 1.21),
        started(f"{tool}/diverse", tool, "branch", "diverse", 1.22),
        finished(f"{tool}/broad", 3.0, 1.8, said("Broadly fine.", 50, 30)),
        StepFailed(
            id=f"{tell.run_id}:{tool}/risks:ended",
            run_id=tell.run_id,
            at=BEGAN + 3.5,
            step_id=f"{tool}/risks",
            failure=MODEL_TIMEOUT,
            seconds=2.3,
        ),
        StepCancelled(
            id=f"{tell.run_id}:{tool}/diverse:ended",
            run_id=tell.run_id,
            at=BEGAN + 4.0,
            step_id=f"{tool}/diverse",
            reason="straggler",
            seconds=2.8,
            usage=Usage(50, 7, estimated=True),
        ),
        started(f"{tool}/synthesis", tool, "synthesis", "synthesis", 4.1),
        finished(f"{tool}/synthesis", 5.0, 0.9, said("Agreed.", 80, 40)),
        StepFinished(
            id=f"{tell.run_id}:{tool}:ended",
            run_id=tell.run_id,
            at=BEGAN + 5.1,
            step_id=tool,
            status="degraded",
            seconds=4.0,
            result=ToolResult("call_1", (Text("Agreed."),)),
            detail={"seed": 7, "decision": "always"},
        ),
    ]


def fusion_run(run_id: str = "run_1", text: str = "Review this plan.") -> list[Event]:
    """Main, a panel of three of which one fails and one is a straggler, synthesis, answer."""
    tell = Teller(run_id, text)
    started, finished = tell.started, tell.finished
    return [
        RunStarted(
            id=f"{run_id}:started",
            run_id=run_id,
            at=BEGAN,
            virtual_model="fusion-review",
            protocol="openai_chat",
            request=asked(text),
            trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        started("main", "", "main", "main", 0.001),
        started("turn.1", "main", "turn", "turn 1", 0.002),
        finished("turn.1", 1.0, 0.998, said("", 100, 20)),
        *_panel(tell, "problem_review.1"),
        started("turn.2", "main", "turn", "turn 2", 5.2),
        finished("turn.2", 7.0, 1.8, said("Do it in two weeks.", 200, 60)),
        finished("main", 7.1, 7.099, None),
        RunFinished(
            id=f"{run_id}:ended",
            run_id=run_id,
            at=BEGAN + 7.2,
            finish_reason="stop",
            answer="Do it in two weeks.",
            usage=Usage(100, 60),
            total_usage=Usage(480, 157, estimated=True),
            cost_usd=None,
            panel="degraded",
        ),
    ]


def dripping(run_id: str, number: int) -> Event:
    """One small event of a long run."""
    return StepFailed(
        id=f"{run_id}:{number}",
        run_id=run_id,
        at=BEGAN + number,
        step_id=f"step.{number}",
        failure=MODEL_TIMEOUT,
    )


# Among these texts are halves of emojis, as they reach us when a stream is cut inside one; never both halves, as
# JSON makes them whole again.
texts = st.text(max_size=30) | st.text(alphabet="\ud83d\x00\u4e2d", max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
long_texts = texts | st.integers(300, 310).map("abc ".__mul__)
counts = st.integers(0, 10**9)
times = st.floats(0, 2e9, allow_nan=False)
names = st.text(alphabet="abcdefgh-.", min_size=1, max_size=12)


def valued(kind: Callable[..., Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **fields)


usages = valued(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cached_input_tokens=counts,
    reasoning_tokens=counts,
    estimated=st.booleans(),
)
failures = valued(
    Failure, code=names, message=texts, retryable=st.booleans(), retry_after=st.none() | st.floats(0, 100)
)
media = (
    valued(Text, text=long_texts)
    | valued(Image, url=texts, detail=st.none() | texts)
    | valued(File, url=texts, name=texts)
)
calls = valued(ToolCall, id=names, name=names, arguments=long_texts)
results = valued(
    ToolResult, call_id=names, content=st.lists(media, max_size=2).map(tuple), is_error=st.booleans()
)
parts = (
    media
    | calls
    | results
    | valued(Reasoning, text=texts, signature=texts)
    | valued(Foreign, origin=names, payload=json_objects)
)
messages = valued(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    parts=st.lists(parts, max_size=3).map(tuple),
)
requests = valued(
    ChatRequest,
    messages=st.lists(messages, max_size=4).map(tuple),
    tools=st.lists(
        valued(
            Tool,
            name=names,
            description=long_texts,
            input_schema=json_objects,
            strict=st.none() | st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    tool_choice=valued(ToolChoice, mode=st.sampled_from(["auto", "none", "required", "named"]), name=texts),
    parallel_tool_calls=st.none() | st.booleans(),
    response_format=st.none()
    | valued(
        ResponseFormat,
        type=st.sampled_from(["json_object", "json_schema"]),
        name=texts,
        schema=st.none() | json_objects,
    ),
    sampling=valued(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        stop=st.lists(texts, max_size=2).map(tuple),
        seed=st.none() | st.integers(0, 2**40),
        extra=json_objects,
    ),
)
completions = valued(
    Completion,
    message=messages,
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    usage=usages,
    model=texts,
    cost_usd=st.none() | st.floats(0, 100),
    response_id=texts,
)
hidden = valued(
    HiddenTurns,
    turns=st.lists(messages, max_size=3).map(tuple),
    calls=st.dictionaries(names, texts, max_size=2),
    said=texts,
)
headed = {"id": st.uuids().map(str), "run_id": names, "at": times}
stepped = {**headed, "step_id": names}
spent = {"model": names, "seconds": st.floats(0, 1e4), "usage": usages}
events: st.SearchStrategy[Event] = (
    valued(
        RunStarted,
        **headed,
        virtual_model=names,
        protocol=names,
        request=requests,
        workflow_hash=names,
        trace_id=names,
        stream=st.booleans(),
        kept=st.booleans(),
        fingerprint=names,
        driver=names,
        workflow=json_objects,
    )
    | valued(RunResumed, **headed, driver=names)
    | valued(
        StepStarted,
        **stepped,
        parent_id=names,
        step_kind=st.sampled_from(["main", "turn", "tool", "branch", "synthesis"]),
        name=texts,
        model=names,
        request=st.none() | requests,
        call=st.none() | calls,
    )
    | valued(
        StepFinished,
        **stepped,
        status=st.sampled_from(["ok", "degraded", "failed", "skipped"]),
        model=names,
        seconds=st.floats(0, 1e4),
        first_token_seconds=st.none() | st.floats(0, 1e4),
        completion=st.none() | completions,
        result=st.none() | results,
        detail=json_objects,
    )
    | valued(StepFailed, **stepped, **spent, failure=failures)
    | valued(StepCancelled, **stepped, **spent, reason=names)
    | valued(
        RunFinished,
        **headed,
        finish_reason=names,
        answer=long_texts,
        usage=usages,
        total_usage=usages,
        cost_usd=st.none() | st.floats(0, 100),
        panel=st.sampled_from(["ran", "degraded", "failed", "skipped"]),
        hidden=st.none() | hidden,
    )
    | valued(RunFailed, **headed, failure=failures)
    | valued(RunCancelled, **headed, reason=texts)
)
