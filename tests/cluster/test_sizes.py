"""Sizes of the engine, from the environment and back."""

from __future__ import annotations

import pytest

from cluster.errors import SetupError
from cluster.sizes import Sizes


def test_nothing_has_to_be_set() -> None:
    assert Sizes.from_env({}) == Sizes()


def test_a_range_is_two_numbers_or_one() -> None:
    read = Sizes.from_env({"STELLARATOR_LANES": "2 - 8", "STELLARATOR_LANE_CALLS": "50-900"})
    assert (read.least_lanes, read.most_lanes, read.lane_calls, read.most_calls) == (2, 8, 50, 900)
    assert Sizes.from_env({"STELLARATOR_LANES": "3"}).most_lanes == 3


@pytest.mark.parametrize("given", ["8-2", "0-4", "many", "2-", "-3", "1-2-3"])
def test_what_is_no_range_is_refused_by_the_variables_name(given: str) -> None:
    with pytest.raises(SetupError, match="STELLARATOR_LANES is"):
        Sizes.from_env({"STELLARATOR_LANES": given})


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(),
        Sizes(least_lanes=2, most_lanes=5, lane_calls=7, most_calls=70, coordinators=3, warm_branches=4),
    ],
)
def test_workers_read_the_same_sizes(sizes: Sizes) -> None:
    assert Sizes.from_env(sizes.environment()) == sizes


def test_ray_keeps_more_idle_processes_only_when_branches_are_to_be_warm() -> None:
    assert "RAY_num_workers_soft_limit" not in Sizes().environment()
    kept = Sizes(warm_branches=3, coordinators=2).environment()["RAY_num_workers_soft_limit"]
    assert int(kept) >= 6
