import json
from dataclasses import replace

from serve_app.cli.render.conversation import Contents, Conversation, laid_out, said
from tests.serve_app.cli import stories
from tests.serve_app.cli.screen import drawn
from workflows.events import Event, RunStarted
from workflows.messages import (
    ChatRequest,
    File,
    Foreign,
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from workflows.replay import run_view


def conversation(events: list[Event], width: int = 80) -> list[str]:
    return drawn(Conversation(run_view(events)), width)


def test_a_run_reads_from_the_question_to_the_answer() -> None:
    lines = [line for line in conversation(stories.degraded())[3:] if line]
    assert lines == [
        "user",
        f"│ {stories.PROMPT}",
        "problem_review is asked",
        "│ task: t",
        "  ✓ broad · smollm2-135m-instruct · 2.0 s",
        "  │ A sound plan.",
        "  ⊘ diverse · tiny · 3.0 s",
        "  │ stopped: the panel's deadline was reached",
        "  ✗ risks · gpt-5.5 · 0.3 s",
        "  │ upstream_busy: openai/gpt-5.5: rate limited (status 429)",
        "  ✓ synthesis · smollm2-135m-instruct · 2.2 s",
        "  │ They agree on a pilot.",
        "✓ answer · smollm2-135m-instruct · 2.8 s",
        "│ Start with a pilot.",
    ]


def test_the_synthesis_is_shown_as_it_was_understood() -> None:
    events = stories.well()
    events[-5:] = stories.merged(
        "ok", {"analysis": {"consensus": ["pilot"], "advice": "begin", "notes": []}}
    )[2:]
    text = "\n".join(conversation(events))
    assert "  │ consensus:\n  │   - pilot\n  │ advice: begin\n" in text
    assert "They agree" not in text


def test_earlier_messages_of_a_long_conversation_are_counted_not_shown() -> None:
    start, *rest = stories.well()
    assert isinstance(start, RunStarted)
    long = ChatRequest(
        (Message.of("user", "FIRST"), Message.of("assistant", "SECOND"), Message.of("user", "THIRD"))
    )
    text = "\n".join(conversation([replace(start, request=long), *rest]))
    assert "(2 earlier messages of the client)" in text
    assert "THIRD" in text
    assert "FIRST" not in text


def test_long_text_is_wrapped_inside_its_margin() -> None:
    start, *rest = stories.well()
    assert isinstance(start, RunStarted)
    lines = conversation([replace(start, request=stories.ask("word " * 60)), *rest], 60)
    assert max(map(len, lines)) <= 60
    assert sum(line.startswith("│ word") for line in lines) > 4


def test_a_step_is_shown_whole() -> None:
    view = run_view(stories.well())
    broad = next(step for step in view.steps if step.name == "broad")
    assert [line for line in drawn(Contents(broad)) if line] == [
        "✓ broad · smollm2-135m-instruct · 2.0 s",
        "problem_review.1/broad · tokens 160→48",
        "user",
        "│ broad?",
        "answer",
        "│ A sound plan.",
    ]
    tool = next(step for step in view.steps if step.kind == "tool")
    text = "\n".join(drawn(Contents(tool)))
    for part in ("arguments", "│ task: t", "result", "│ Consensus: a pilot.", "detail", "│ ended_by: all"):
        assert part in text


def test_every_kind_of_part_is_named() -> None:
    parts = (
        Text("words"),
        Reasoning("hm"),
        ToolCall("c", "look", "{}"),
        ToolResult("c", (Text("seen"),)),
        Image("data:image/png;base64,AAAA"),
        File("https://files.test/a.pdf"),
        Foreign("openai", {}),
    )
    assert said(parts).splitlines() == [
        "words",
        "(thinking) hm",
        "→ look {}",
        "← seen",
        "(image: data:image/png;base64)",
        "(file: https://files.test/a.pdf)",
        "(a part that only openai understands)",
    ]


def test_only_json_objects_become_outlines() -> None:
    assert laid_out(json.dumps({"a": 1, "b": [{"c": "x"}], "d": []})) == "a: 1\nb:\n  - c: x"
    for text in ("plain", "[1, 2]", '{"broken', "12"):
        assert laid_out(text) == text


def test_a_models_control_codes_do_not_reach_the_screen() -> None:
    events = [*stories.opening(), stories.spoken(f"{stories.TOOL}/broad", 1.0, 1.0, "\x1b[2Jgone", (1, 1))]
    assert "\x1b" not in "\n".join(conversation(events))
