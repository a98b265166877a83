"""Which lane makes a call."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from actors.lane_choice import TOGETHER, LaneChoice
from actors.orders import Load


def choice_of(**in_flight: int) -> LaneChoice:
    choice = LaneChoice()
    choice.listed({name: Load(count, 100, 0.0) for name, count in in_flight.items()})
    return choice


def test_the_least_busy_lane_is_chosen_whoever_made_it_busy() -> None:
    choice = choice_of(a=3, b=1)
    assert choice.choose() == "b"
    for _ in range(3):
        choice.take_off("b")
    assert choice.choose() == "a"


def test_a_call_is_counted_once_though_the_lane_tells_of_it_too() -> None:
    choice = choice_of(a=0, b=2)
    for _ in range(3):
        choice.take_off("a")
    choice.listed({"a": Load(3, 100, 0.0), "b": Load(4, 100, 0.0)})
    assert choice.choose() == "a"


def test_a_runs_calls_stay_together_until_their_lane_is_much_busier() -> None:
    choice = choice_of(a=0, b=0)
    before, used = None, []
    for _ in range(TOGETHER + 1):
        before = choice.choose(before)
        assert before is not None
        choice.take_off(before)
        used.append(before)
    assert set(used[:-1]) == {used[0]}
    assert used[-1] != used[0]


def test_a_lane_that_was_lost_is_not_chosen_and_its_run_goes_to_another() -> None:
    choice = choice_of(a=0, b=50)
    choice.lose("a")
    assert choice.choose("a") == "b"


def test_there_is_no_lane_when_all_are_full() -> None:
    choice = choice_of(a=99, b=100)
    assert choice.room == 1
    assert choice.choose() == "a"
    choice.take_off("a")
    assert choice.room == 0
    assert choice.choose() is None
    assert not choice.is_empty


@given(lanes=st.integers(1, 8), calls=st.integers(1, 60))
def test_whatever_lands_the_lanes_stay_evenly_busy(lanes: int, calls: int) -> None:
    """Calls that take off one by one never leave one lane busier than another by more than one."""
    choice, flying = choice_of(**{f"l{i}": 0 for i in range(lanes)}), Counter[str]()
    for _ in range(calls):
        name = choice.choose()
        assert name is not None
        choice.take_off(name)
        flying[name] += 1
        assert max(flying.values()) - min(flying[f"l{i}"] for i in range(lanes)) <= 1


def test_equal_lanes_are_drawn_by_lot_so_that_coordinators_do_not_all_take_the_first() -> None:
    first = {choice_of(a=0, b=0).choose() for _ in range(64)}
    assert first == {"a", "b"}
