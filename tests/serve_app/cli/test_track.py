from dataclasses import replace

import pytest

from serve_app.cli.render.track import Track
from tests.serve_app.cli import stories
from tests.serve_app.cli.screen import coloured, drawn
from workflows.events import Event, RunCancelled, RunStarted
from workflows.replay import run_view


def track(events: list[Event], width: int = 80, now: float = stories.NOON + 2.0) -> list[str]:
    return drawn(Track(run_view(events), now), width)


def test_a_run_is_a_tree_beside_a_waterfall() -> None:
    lines = track(stories.well())
    assert lines[0] == f"{stories.RUN}  fusion-review  ✓ ok"
    assert lines[1].endswith("8.4 s · tokens 961→231 · cost $0 · panel ran")
    assert lines[3:] == [
        "STEP                MODEL                 0                  8.4 s  TIME  TOKENS",
        "✓ main                                    ━━━━━━━━━━━━━━━━━━━━━━━━ 8.4 s 961→231",
        "├─ ✓ problem_review                       ━━━━━━━━━━━━━━━╸         5.5 s 700→180",
        "│  ├─ ✓ broad       smollm2-135m-instruct ╶╼━━━━                   2.0 s  160→48",
        "│  ├─ ✓ diverse     smollm2-135m-instruct ╶─╼━━━━━━                3.0 s  160→32",
        "│  ├─ ✓ risks       smollm2-135m-instruct ╶─╼━━━━━╸                2.9 s  160→40",
        "│  └─ ✓ synthesis   smollm2-135m-instruct          ─╼━━━━╸         2.2 s  220→60",
        "└─ ✓ answer         smollm2-135m-instruct                 ──━━━━━━ 2.8 s  261→51",
        "",
        "problem_review: 3 of 3 branches answered.",
    ]


def test_what_went_wrong_is_said_below() -> None:
    assert track(stories.degraded())[-3:] == [
        "problem_review: 1 of 3 branches answered, then the deadline was reached.",
        "⊘ diverse: stopped: the panel's deadline was reached",
        "✗ risks: upstream_busy: openai/gpt-5.5: rate limited (status 429)",
    ]


def test_the_same_error_is_not_told_twice() -> None:
    text = "\n".join(track(stories.failed()))
    assert text.count("wrong key") == 1


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("story", [stories.well, stories.degraded, stories.failed, stories.opening])
def test_no_line_of_the_tree_is_wider_than_the_screen(story: object, width: int) -> None:
    assert max(map(len, track(story(), width))) <= width  # type: ignore[operator]  # a function without arguments


def test_a_wide_screen_shows_whole_model_names_and_costs() -> None:
    wide = "\n".join(track(stories.degraded(), 120))
    assert "COST" in wide
    assert "│  ├─ ✗ risks       openai/gpt-5.5 " in wide


def test_bars_of_steps_under_way_grow_with_the_time() -> None:
    lines = track(stories.opening(), now=stories.NOON + 4.0)
    assert "4.0 s" in lines[3]
    assert "● broad" in lines[6]
    assert "3.9 s" in lines[6]
    assert lines[-1] == "problem_review: 0 of 3 branches answered so far."


def test_what_became_of_unusable_answers_and_of_the_synthesis_is_said() -> None:
    events = stories.well()
    told = {
        "ended_by": "quorum",
        "answered": ["broad"],
        "left_out": {"risks": "empty"},
        "synthesis": "single",
    }
    events[-5:] = stories.merged("degraded", told)[2:]
    assert track(events)[-3:] == [
        "problem_review: 1 of 3 branches answered, then quorum and grace time were over.",
        "  · risks gave nothing usable (empty).",
        "  · the only answer was passed on as it is.",
    ]


def test_attempts_stand_below_their_branch_with_model_reason_and_time() -> None:
    lines = track(stories.retried())
    assert [line[:44].rstrip() for line in lines[6:10]] == [
        "│  ├─ ✓ broad          smollm2-135m-instruct",
        "│  │  ├─ ✗ attempt 1   refused",
        "│  │  └─ ⊘ slower copy slow",
        "│  ├─ ✓ diverse        smollm2-135m-instruct",
    ]
    assert "0.4 s" in lines[7]
    assert lines[-2:] == [
        "✗ broad, attempt 1: upstream_refused: refused: wrong key (status 401)",
        "⊘ broad, slower copy: stopped: a copy of the call was faster",
    ]


def test_attempts_that_ended_as_their_branch_did_are_told_with_it() -> None:
    busy = "upstream_busy: openai/gpt-5.5: rate limited (status 429)"
    events = [
        *stories.degraded()[:-7],
        *stories.attempt("risks", "1", stories.BUSY),
        *stories.degraded()[-7:],
    ]
    told = [line for line in track(events) if busy in line]
    assert told == [f"✗ risks: {busy} (2 attempts)"]


def test_what_branches_contributed_and_what_is_worth_a_look_stands_below_their_panel() -> None:
    lines = track([*stories.well(), stories.credited()])
    assert lines[-7:] == [
        "problem_review: 3 of 3 branches answered.",
        "  BRANCH     IN THE ANSWER     IN THE SYNTHESIS  UNIQUE",
        "  broad      ━━━━━━       62%  ━━━╸         35%     40%",
        "  risks      ━             9%  ━━━          30%    100%",
        "  diverse                  0%  ╸            <1%     12%",
        "  no branch  ━━━          29%  ━━━╸         35%",
        "  ⚑ copied_one_branch: 71% of the answer is word for word from broad",
    ]


def test_a_cancelled_run_says_by_whom() -> None:
    gone = RunCancelled(id="ended", run_id=stories.RUN, at=stories.NOON + 1.0, reason="client")
    assert track([*stories.opening(), gone])[-1] == "⊘ run: stopped: the client went away"


def test_a_run_without_steps_is_drawn() -> None:
    assert track(stories.opening()[:1])[-1] == "No step has begun."


def test_a_pipe_gets_no_control_codes() -> None:
    assert "\x1b" not in "\n".join(track(stories.degraded()))
    assert "\x1b" in coloured(Track(run_view(stories.degraded()), stories.NOON))


def test_what_was_left_out_of_the_request_is_said_last() -> None:
    begun, *rest = stories.well()
    assert isinstance(begun, RunStarted)
    lines = track([replace(begun, dropped=("logprobs", "tools.web_search")), *rest])
    assert lines[-1] == "left out of the request: logprobs, tools.web_search"
