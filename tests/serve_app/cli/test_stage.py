import io

import pytest
from rich.console import Console

from serve_app.cli.console import THEME
from serve_app.cli.stage import PanelStage, Stages
from tests.serve_app.cli import stories


def pipe() -> Console:
    return Console(file=io.StringIO(), width=80, theme=THEME)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_stage_is_said_once_when_it_is_over() -> None:
    console = pipe()
    stages = Stages(console)
    with stages.shown():
        stages("Starting Ray")
        assert text(console) == ""
        stages("Publishing [x]")
        assert text(console).startswith("✓ Starting Ray 0.")
    assert [line.rsplit(" ", 2)[0] for line in text(console).splitlines()] == [
        "✓ Starting Ray",
        "✓ Publishing [x]",
    ]


def interrupted(stages: Stages) -> None:
    with stages.shown():
        stages("Starting Ray")
        raise KeyboardInterrupt


def test_a_stage_that_was_cut_short_is_not_called_done() -> None:
    console = pipe()
    with pytest.raises(KeyboardInterrupt):
        interrupted(Stages(console))
    assert text(console) == ""


async def test_a_second_panel_is_drawn_by_itself() -> None:
    console = pipe()
    stage = PanelStage(stories.SPEC, console)
    stage.open()
    for event in stories.well()[:-4]:
        stage.see(event)
    await stage.make_room()
    assert text(console).count("╭─ problem_review") == 1
    stage.see(stories.started("problem_review.2", "main", "tool", "problem_review", 6.0))
    stage.close()
    assert text(console).count("╭─ problem_review") == 2
    assert text(console).count("answered") == 4


async def test_without_a_panel_nothing_is_left_behind() -> None:
    console = pipe()
    stage = PanelStage(stories.SPEC, console)
    stage.open()
    for event in stories.failed():
        stage.see(event)
    await stage.make_room()
    stage.close()
    assert text(console) == ""
