"""How many lanes a node should have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.lane_sizing import BUSY, Bounds, bounds_of, wanted
from actors.orders import Load
from cluster.sizes import Sizes

BOUNDS = Bounds(least=1, most=8, calls=100)


def loads(*in_flight: int, busy: float = 0.0) -> list[Load]:
    return [Load(count, 5000, busy) for count in in_flight]


def test_a_node_without_lanes_gets_its_least() -> None:
    assert wanted([], Bounds(2, 8, 100)) == 2


def test_it_grows_with_the_calls_in_flight_to_as_many_as_it_takes_and_no_further_than_its_bound() -> None:
    assert wanted(loads(100), BOUNDS) == 1
    assert wanted(loads(101), BOUNDS) == 2
    assert wanted(loads(450), BOUNDS) == 5
    assert wanted(loads(5000), BOUNDS) == 8


def test_it_grows_when_lanes_take_much_of_their_cores_though_they_hold_few_calls() -> None:
    assert wanted(loads(5, 5, busy=0.9), BOUNDS) == 3


def test_it_shrinks_one_by_one_once_half_of_what_would_be_left_is_enough() -> None:
    assert wanted(loads(40, 40, 40), BOUNDS) == 3
    assert wanted(loads(30, 30, 30), BOUNDS) == 2
    assert wanted(loads(0, 0, 0), BOUNDS) == 2
    assert wanted(loads(0), BOUNDS) == 1


@given(count=st.integers(1, 8), in_flight=st.integers(0, 2000), busy=st.floats(0, 1), most=st.integers(1, 8))
def test_a_steady_load_comes_to_rest(count: int, in_flight: int, busy: float, most: int) -> None:
    """Spread evenly over however many lanes there are, the same load leads to a number that stays."""
    bounds, work = Bounds(1, most, 100), busy * BUSY
    seen = [count]
    for _ in range(20):
        now = [Load(in_flight // seen[-1], 5000, work / seen[-1])] * seen[-1]
        seen.append(wanted(now, bounds))
    assert seen[-1] == seen[-2]
    assert 1 <= seen[-1] <= most


def test_all_nodes_together_keep_two_lanes_unless_they_are_told_otherwise() -> None:
    assert bounds_of(Sizes(), cores=1, nodes=1) == Bounds(2, 2, 500)
    assert bounds_of(Sizes(), cores=16, nodes=1) == Bounds(2, 16, 500)
    assert bounds_of(Sizes(), cores=16, nodes=3) == Bounds(1, 16, 500)
    assert bounds_of(Sizes(least_lanes=3, most_lanes=4, lane_calls=9), cores=2, nodes=1) == Bounds(3, 4, 9)
    assert bounds_of(Sizes(most_lanes=1), cores=2, nodes=1) == Bounds(1, 1, 500)
