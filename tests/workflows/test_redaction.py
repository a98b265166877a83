"""Events without their contents."""

from __future__ import annotations

from hypothesis import given, settings

from tests.workflows import stories
from tests.workflows.stories import fusion_run
from workflows.events import Event, event_adapter
from workflows.messages import ChatRequest, Completion, Message, Text, ToolCall, ToolResult
from workflows.redaction import redacted
from workflows.splicing import HiddenTurns

SECRET = "the patient's name"
"""Stands wherever people and models say something."""


def everything_said() -> list[Event]:
    """A run in which every content says the secret."""
    call = ToolCall("call_1", "problem_review", f'{{"task": "{SECRET}"}}')
    spoken = Message("assistant", (Text(SECRET), call))
    request = ChatRequest((Message.of("user", SECRET), spoken))
    fields = {
        "request": request,
        "call": call,
        "completion": Completion(spoken, "tool_calls"),
        "result": ToolResult("call_1", (Text(SECRET),)),
        "detail": {"analysis": {"advice": [SECRET]}, "seed": 7, "quote": SECRET},
        "answer": SECRET,
        "hidden": HiddenTurns((spoken,), {"given": "call_1"}, SECRET),
        "door": {"items": [{"content": SECRET}]},
    }
    return [
        event_adapter.validate_python(
            {
                **event_adapter.dump_python(event),
                **{name: value for name, value in fields.items() if hasattr(event, name)},
            }
        )
        for event in fusion_run()
    ]


def test_nothing_that_was_said_is_left() -> None:
    events = everything_said()
    assert all(SECRET in event_adapter.dump_json(e).decode() for e in events if hasattr(e, "completion"))
    assert not any(SECRET in event_adapter.dump_json(redacted(e)).decode() for e in events)


def test_the_names_of_called_tools_and_numbers_of_the_detail_stay() -> None:
    finished = next(e for e in map(redacted, everything_said()) if e.kind == "step_finished")
    assert finished.completion is not None
    assert finished.completion.message.tool_calls == (ToolCall("call_1", "problem_review", ""),)
    assert finished.detail == {"seed": 7}


@settings(deadline=None)
@given(stories.events)
def test_redacting_twice_is_redacting_once(event: Event) -> None:
    assert redacted(redacted(event)) == redacted(event)


@settings(deadline=None)
@given(stories.events)
def test_what_happened_when_and_for_how_many_tokens_stays(event: Event) -> None:
    bare = redacted(event)
    for name in (
        "id",
        "run_id",
        "at",
        "kind",
        "step_id",
        "seconds",
        "usage",
        "total_usage",
        "failure",
        "model",
    ):
        assert getattr(bare, name, None) == getattr(event, name, None)
    assert getattr(getattr(bare, "completion", None), "usage", None) == getattr(
        getattr(event, "completion", None), "usage", None
    )
