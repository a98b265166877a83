"""Whether more branches are asked, after the first ones have been heard."""

from __future__ import annotations

import pytest

from workflows.adaptive import growth
from workflows.candidates import Draft
from workflows.hearing import Hearing
from workflows.spec import PanelSpec

SAME = ("The answer is 42.", "Answer: 42")
OTHER = ("The answer is 42.", "The answer is 43.")


def because(*texts: str, quorum: int = 2, seconds: float = 60.0, grow: bool = True) -> str:
    heard = Hearing(tuple(Draft(f"branch{i}", text) for i, text in enumerate(texts)))
    spec = PanelSpec(start=2, grow_when_disagree=grow)
    found = growth(spec, heard, quorum=quorum, seconds=seconds, question="What is 6 times 7?")
    assert found.wanted == (found.because in {"too_few", "disagreed"})
    return found.because


@pytest.mark.parametrize(
    ("texts", "reason"),
    [((), "too_few"), (("one",), "too_few"), (SAME, "agreed"), (OTHER, "disagreed")],
)
def test_the_panel_grows_when_too_few_answered_or_they_disagree(texts: tuple[str, ...], reason: str) -> None:
    assert because(*texts) == reason


def test_one_answer_is_enough_for_a_quorum_of_one() -> None:
    assert because("one", quorum=1) == "enough"


def test_a_disagreement_may_not_count() -> None:
    assert because(*OTHER, grow=False) == "enough"
    assert because("one", grow=False) == "too_few"


def test_nobody_is_asked_when_no_time_is_left() -> None:
    assert because(*OTHER, seconds=0.5) == "no_time"
    assert because(*SAME, seconds=0.5) == "agreed"
