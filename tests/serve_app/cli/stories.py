"""Runs for the views' tests, told as events and folded by the real `run_view`."""

from __future__ import annotations

from typing import Any

from workflows.errors import Failure
from workflows.events import (
    Event,
    PanelCredited,
    RunFailed,
    RunFinished,
    RunStarted,
    StepCancelled,
    StepFailed,
    StepFinished,
    StepKind,
    StepStarted,
)
from workflows.messages import ChatRequest, Completion, Message, Text, ToolCall, ToolResult, Usage
from workflows.spec import WorkflowSpec

RUN = "run_0193567890abcdef0193567890abcdef"
NOON = 1_795_348_800.0
"""Unix time at which every story begins."""

PROMPT = "Review this plan: connect Playwright to CI/CD."
TOOL = "problem_review.1"
MODEL = "smollm2-135m-instruct"

SPEC = WorkflowSpec.model_validate(
    {
        "version": 1,
        "name": "fusion-review",
        "models": {"tiny": {"provider": "embedded", "model": MODEL}},
        "main": {"model": "tiny", "tools": ["problem_review"]},
        "tools": {
            "problem_review": {
                "mode": "fusion",
                "description": "Reviews.",
                "branches": [
                    {"name": name, "model": "tiny", "prompt": "{{ task }}"}
                    for name in ("broad", "risks", "diverse")
                ],
                "synthesis": {"model": "tiny"},
            }
        },
    }
)
"""The workflow of every story."""


def started(
    step_id: str, parent_id: str, kind: StepKind, name: str, at: float, **more: object
) -> StepStarted:
    """A step began `at` seconds after noon."""
    return StepStarted(
        id=f"{step_id}:started",
        run_id=RUN,
        at=NOON + at,
        step_id=step_id,
        parent_id=parent_id,
        step_kind=kind,
        name=name,
        **more,  # type: ignore[arg-type]  # the optional fields of the event
    )


def spoken(step_id: str, at: float, seconds: float, text: str, used: tuple[int, int]) -> StepFinished:
    """An LLM call ended `at` seconds after noon."""
    return StepFinished(
        id=f"{step_id}:ended",
        run_id=RUN,
        at=NOON + at,
        step_id=step_id,
        model=MODEL,
        seconds=seconds,
        first_token_seconds=seconds / 4,
        completion=Completion(Message.of("assistant", text), "stop", Usage(*used), MODEL, 0.0),
    )


def ask(text: str = PROMPT) -> ChatRequest:
    """A request of one user message."""
    return ChatRequest((Message.of("user", text),))


def opening() -> list[Event]:
    """The request, and the panel with its first branch under way."""
    return [
        RunStarted(
            id="started",
            run_id=RUN,
            at=NOON,
            virtual_model="fusion-review",
            protocol="openai_chat",
            request=ask(),
        ),
        started("main", "", "main", "main", 0.0, model="main"),
        started(
            TOOL,
            "main",
            "tool",
            "problem_review",
            0.0,
            call=ToolCall("c1", "problem_review", '{"task": "t"}'),
        ),
        *(
            started(f"{TOOL}/{name}", TOOL, "branch", name, 0.1, model="tiny", request=ask(f"{name}?"))
            for name in ("broad", "risks", "diverse")
        ),
    ]


def merged(status: str, detail: dict[str, Any]) -> list[Event]:
    """The synthesis, the panel's end, the answer, the run's end."""
    synthesis = f"{TOOL}/synthesis"
    return [
        started(synthesis, TOOL, "synthesis", "synthesis", 3.2, model="tiny", request=ask("merge")),
        spoken(synthesis, 5.4, 2.2, "They agree on a pilot.", (220, 60)),
        StepFinished(
            id=f"{TOOL}:ended",
            run_id=RUN,
            at=NOON + 5.5,
            step_id=TOOL,
            status=status,  # type: ignore[arg-type]  # one of the event's words
            seconds=5.5,
            result=ToolResult("c1", (Text("Consensus: a pilot."),)),
            detail=detail,
        ),
        started("turn.1", "main", "turn", "turn 1", 5.6, model="main", request=ask()),
        spoken("turn.1", 8.4, 2.8, "Start with a pilot.", (261, 51)),
        StepFinished(id="main:ended", run_id=RUN, at=NOON + 8.4, step_id="main", seconds=8.4),
        RunFinished(
            id="ended",
            run_id=RUN,
            at=NOON + 8.4,
            finish_reason="stop",
            answer="Start with a pilot.",
            usage=Usage(21, 51),
            total_usage=Usage(961, 231),
            cost_usd=0.0,
            panel="ran",
        ),
    ]


def well() -> list[Event]:
    """Three branches answer."""
    return [
        *opening(),
        spoken(f"{TOOL}/broad", 2.1, 2.0, "A sound plan.", (160, 48)),
        spoken(f"{TOOL}/risks", 3.0, 2.9, "Flaky tests.", (160, 40)),
        spoken(f"{TOOL}/diverse", 3.1, 3.0, "Start smaller.", (160, 32)),
        *merged("ok", {"ended_by": "all"}),
    ]


def degraded() -> list[Event]:
    """One branch answers, one fails, one hangs until the deadline."""
    return [
        *opening(),
        spoken(f"{TOOL}/broad", 2.1, 2.0, "A sound plan.", (160, 48)),
        StepFailed(
            id="risks:ended",
            run_id=RUN,
            at=NOON + 0.4,
            step_id=f"{TOOL}/risks",
            failure=BUSY,
            model="openai/gpt-5.5",
            seconds=0.3,
        ),
        StepCancelled(
            id="diverse:ended",
            run_id=RUN,
            at=NOON + 3.1,
            step_id=f"{TOOL}/diverse",
            reason="deadline",
            model="tiny",
            seconds=3.0,
            usage=Usage(160, 3, estimated=True),
        ),
        *merged("degraded", {"ended_by": "deadline"}),
    ]


BUSY = Failure("upstream_busy", "openai/gpt-5.5: rate limited (status 429)", retryable=True)
REFUSED = Failure("upstream_refused", "refused: wrong key (status 401)")


def attempt(branch: str, number: str, failure: Failure | None, model: str = "openai/gpt-5.5") -> list[Event]:
    """An attempt of a branch that failed, or lost the race against a copy of itself."""
    branch_id = f"{TOOL}/{branch}"
    step_id = f"{branch_id}/attempt.{number}"
    common = {"id": f"{step_id}:ended", "run_id": RUN, "at": NOON + 0.5, "step_id": step_id, "seconds": 0.4}
    return [
        started(step_id, branch_id, "attempt", f"attempt {number}", 0.1, model=model),
        StepFailed(**common, failure=failure, model=model)  # type: ignore[arg-type]  # the event's own fields
        if failure
        else StepCancelled(**common, reason="hedged", model=model),  # type: ignore[arg-type]  # the same
    ]


def retried() -> list[Event]:
    """A branch answers after a failure, and faster than another copy of its call."""
    first, *rest = well()
    return [
        first,
        *attempt("broad", "1", REFUSED, "refused"),
        *attempt("broad", "2.lost", None, "slow"),
        *rest,
    ]


def credited() -> Event:
    """What the branches of `well` contributed."""
    shares = {"broad": (0.35, 0.62, 0.4), "risks": (0.3, 0.09, 1.0), "diverse": (0.002, 0.0, 0.12)}
    found = {
        "source": "broad",
        "sentence": "A sound\nplan.",
        "score": 0.8,
        "copied": True,
        "credit": 0.62,
    }
    other = found | {"source": "risks", "sentence": "Flaky tests.", "copied": False, "credit": 0.09}
    alone = {"sentence": "I add this.", "weight": 0.3, "evidence": []}
    attribution = {
        "contributions": [
            {"branch": name, "synthesis": synthesis, "answer": answer, "unique": unique}
            for name, (synthesis, answer, unique) in shares.items()
        ],
        "answer": {
            "unattributed": 0.29,
            "sentences": [
                {"sentence": "Start with a pilot.", "weight": 0.7, "evidence": [found, other]},
                alone,
            ],
        },
        "synthesis": {
            "unattributed": 0.348,
            "sentences": [{"sentence": "A pilot.", "weight": 1.0, "evidence": [other]}],
        },
        "flags": [
            {
                "name": "copied_one_branch",
                "text": "answer",
                "branches": ["broad"],
                "value": 0.71,
                "why": "71% of the answer is word for word from broad",
            }
        ],
        "languages_differ": False,
    }
    return PanelCredited(id="credited", run_id=RUN, at=NOON + 9.0, step_id=TOOL, attribution=attribution)


def failed() -> list[Event]:
    """The main LLM refuses; the client got an error."""
    failure = Failure("upstream_refused", "openai/gpt-5.5: wrong key (status 401)")
    return [
        *opening()[:2],
        started("turn.1", "main", "turn", "turn 1", 0.1, model="main", request=ask()),
        StepFailed(id="t:e", run_id=RUN, at=NOON + 0.5, step_id="turn.1", failure=failure, seconds=0.4),
        RunFailed(id="ended", run_id=RUN, at=NOON + 0.6, failure=failure),
    ]
