import pytest

from serve_app.cli.render.listing import Runs, described
from tests.serve_app.cli import stories
from tests.serve_app.cli.screen import drawn
from workflows.replay import RunSummary, summary_of

SUMMARIES = (summary_of(stories.well()), summary_of(stories.failed()), summary_of(stories.opening()))


def test_runs_fit_a_narrow_screen() -> None:
    head, well, failed, running = drawn(Runs(SUMMARIES), 80)
    assert head.split() == ["RUN", "STARTED", "MODEL", "STATUS", "TIME", "TOKENS"]
    assert well.split()[0] == "run_0193567890abcdef"
    assert well.endswith("fusion-review  ✓ ok       8.4 s  961→231")
    assert failed.endswith("fusion-review  ✗ failed   0.6 s  -")
    assert running.endswith("fusion-review  ● running  -      -")


def test_a_wide_screen_shows_panel_and_cost() -> None:
    head, well, *_ = drawn(Runs(SUMMARIES), 120)
    assert head.split() == ["RUN", "STARTED", "MODEL", "STATUS", "PANEL", "TIME", "TOKENS", "COST"]
    assert well.endswith("✓ ok       ran    8.4 s  961→231  $0")


def test_the_panel_is_shown_as_soon_as_there_is_room_for_it() -> None:
    narrow, wide = drawn(Runs(SUMMARIES), 80), drawn(Runs(SUMMARIES), 90)
    assert "PANEL" not in narrow[0]
    assert wide[0].split() == ["RUN", "STARTED", "MODEL", "STATUS", "PANEL", "TIME", "TOKENS"]
    assert wide[1].endswith("✓ ok       ran    8.4 s  961→231")


@pytest.mark.parametrize("width", [50, 80, 90, 120])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    assert max(map(len, drawn(Runs(SUMMARIES), width))) <= width


def test_a_strangers_name_for_a_model_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in "".join(drawn(Runs((RunSummary(run_id="run_1", virtual_model="\x1b[2J"),))))


def test_descriptions_stand_beside_names() -> None:
    assert drawn(described([("a", "First."), ("longer", "Second [one].")])) == [
        "a       First.",
        "longer  Second [one].",
    ]
