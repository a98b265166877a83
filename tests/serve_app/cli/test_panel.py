from serve_app.cli.render.panel import members, panels, settled
from tests.serve_app.cli import stories
from tests.serve_app.cli.screen import drawn
from workflows.events import Event
from workflows.replay import run_view


def panel(events: list[Event], width: int = 80) -> list[str]:
    return drawn(panels(run_view(events), stories.SPEC, stories.NOON + 0.3), width)


def test_before_a_panel_the_main_llm_is_thinking() -> None:
    assert panel(stories.opening()[:2]) == ["⠸ fusion-review is thinking"]


def test_everybody_who_will_sit_on_the_panel_is_shown_from_the_beginning() -> None:
    assert panel(stories.opening()) == [
        "╭─ problem_review ─────────────────────────────────────────────────────────────╮",
        "│ ⠸ broad      smollm2-135m-instruct                thinking   0.2 s           │",
        "│ ⠸ risks      smollm2-135m-instruct                thinking   0.2 s           │",
        "│ ⠸ diverse    smollm2-135m-instruct                thinking   0.2 s           │",
        "│ · synthesis  smollm2-135m-instruct                waiting                    │",
        "╰──────────────────────────────────────────────────────────────────────────────╯",
    ]


def test_the_end_of_each_is_shown_with_its_reason() -> None:
    assert panel(stories.degraded(), 100)[1:-1] == [
        "│ ✓ broad      smollm2-135m-instruct                                    answered   2.0 s    160→48 │",
        "│ ✗ risks      upstream_busy: openai/gpt-5.5: rate limited (status 42…  failed     0.3 s         - │",
        "│ ⊘ diverse    stopped: the panel's deadline was reached                stopped    3.0 s    ~160→3 │",
        "│ ✓ synthesis  smollm2-135m-instruct                                    answered   2.2 s    220→60 │",
    ]


def test_a_step_that_the_workflow_does_not_foresee_is_shown_too() -> None:
    repair = stories.started(f"{stories.TOOL}/repair", stories.TOOL, "synthesis", "repair", 6.0, model="tiny")
    view = run_view([*stories.opening(), repair])
    tool = next(step for step in view.steps if step.kind == "tool")
    names = [member.name for member in members(view, stories.SPEC, tool)]
    assert names == ["broad", "risks", "diverse", "synthesis", "repair"]


def test_a_panel_is_settled_when_it_has_ended_not_between_branches_and_synthesis() -> None:
    assert settled(run_view(stories.opening()[:2]))
    assert not settled(run_view(stories.opening()))
    answered = [
        stories.spoken(f"{stories.TOOL}/{n}", 2.0, 1.9, "x", (1, 1)) for n in ("broad", "risks", "diverse")
    ]
    assert not settled(run_view([*stories.opening(), *answered]))
    assert settled(run_view(stories.well()))


def test_a_panel_that_was_left_behind_is_not_drawn_again() -> None:
    rest = panels(run_view(stories.well()), stories.SPEC, stories.NOON, without={stories.TOOL})
    assert "problem_review" not in "".join(drawn(rest))


def test_who_was_not_asked_is_skipped_once_the_panel_has_ended() -> None:
    without = f"{stories.TOOL}/diverse"
    story = [event for event in stories.well() if getattr(event, "step_id", "") != without]
    begun = [event for event in stories.opening() if getattr(event, "step_id", "") != without]
    assert panel(begun)[3].split()[1:5] == ["·", "diverse", stories.MODEL, "waiting"]
    assert panel(story)[3].split()[1:5] == ["○", "diverse", stories.MODEL, "skipped"]
