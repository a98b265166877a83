"""What is left of a run's limits, and how a panel shrinks to it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows.flows import limited, priced, run_request, workflow
from workflows.budget import Seat, for_tools, remaining, shrink, still_offered, together
from workflows.flow import RunSoFar
from workflows.policy import Allowance, Spending
from workflows.spec import LimitsSpec
from workflows.tariff import Tariff

MERGING = Spending(100, 1.0)

seats = st.lists(
    st.builds(
        Seat,
        name=st.uuids().map(str),
        optional=st.booleans(),
        takes=st.builds(
            Spending,
            tokens=st.integers(1, 1000),
            cost_usd=st.none() | st.floats(0, 10).map(lambda x: round(x, 3)),
        ),
        answer=st.integers(1, 100),
    ),
    max_size=6,
    unique_by=lambda seat: seat.name,
)
allowances = st.builds(
    Allowance, cost_usd=st.none() | st.floats(0, 40), tokens=st.none() | st.integers(0, 4000)
)


def merging(merged: Sequence[Seat]) -> Spending:
    return MERGING + Spending(sum(seat.answer for seat in merged))


def seat(name: str, cost: float | None, *, optional: bool = False, tokens: int = 10) -> Seat:
    return Seat(name, optional, Spending(tokens, cost), 0)


def kept(allowance: Allowance, *those: Seat) -> list[str]:
    return [each.name for each in shrink(those, lambda _: Spending(), allowance).seats]


@settings(deadline=None)
@given(seats, allowances)
def test_what_remains_fits_keeps_its_order_and_nobody_is_lost(those: list[Seat], left: Allowance) -> None:
    seating = shrink(those, merging, left)
    assert [s for s in those if s in seating.seats] == list(seating.seats)
    assert {s.name for s in those} == {s.name for s in seating.seats} | set(seating.left_out)
    assert not {s.name for s in seating.seats} & set(seating.left_out)
    assert seating.worst == together(seating.seats, merging)
    assert not seating.seats or left.lacks(seating.worst) == ""


@settings(deadline=None)
@given(seats, allowances)
def test_no_required_branch_leaves_while_an_optional_one_stays(those: list[Seat], left: Allowance) -> None:
    seating = shrink(those, merging, left)
    poor = [s for s in those if seating.left_out.get(s.name) == "budget" and not s.optional]
    assert not poor or not any(s.optional for s in seating.seats)


@settings(deadline=None)
@given(seats, allowances)
def test_nobody_leaves_a_panel_that_fits(those: list[Seat], left: Allowance) -> None:
    seating = shrink(those, merging, left)
    priced_ones = [s for s in those if s.takes.cost_usd is not None or left.cost_usd is None]
    assert ("budget" in seating.left_out.values()) == bool(
        left.lacks(together(priced_ones, merging)) and priced_ones
    )


def test_without_bounds_everyone_is_seated_whatever_is_known_of_prices() -> None:
    assert kept(Allowance(), seat("a", None), seat("b", 9.0)) == ["a", "b"]


def test_a_branch_without_a_price_is_refused_only_under_a_bound_on_money() -> None:
    those = (seat("a", None), seat("b", 1.0))
    assert kept(Allowance(tokens=1000), *those) == ["a", "b"]
    seating = shrink(those, merging, Allowance(cost_usd=10.0))
    assert [s.name for s in seating.seats] == ["b"]
    assert seating.left_out == {"a": "unpriced"}
    assert seating.short == "cost_usd"


def test_optional_branches_leave_first_the_dearest_first_of_equals_the_later() -> None:
    those = (
        seat("a", 5.0),
        seat("b", 1.0, optional=True),
        seat("c", 2.0, optional=True),
        seat("d", 2.0, optional=True),
    )
    assert kept(Allowance(cost_usd=10.0), *those) == ["a", "b", "c", "d"]
    assert kept(Allowance(cost_usd=9.0), *those) == ["a", "b", "c"]
    assert kept(Allowance(cost_usd=7.0), *those) == ["a", "b"]
    assert kept(Allowance(cost_usd=5.5), *those) == ["a"]
    assert kept(Allowance(cost_usd=4.0), *those) == []


def test_when_tokens_are_short_the_longest_leave_first() -> None:
    those = (seat("a", 0.1, tokens=500), seat("b", 9.0, tokens=10))
    assert kept(Allowance(tokens=400), *those) == ["b"]


def test_a_panel_of_one_needs_no_synthesis() -> None:
    seating = shrink((seat("a", 1.0), seat("b", 2.0)), merging, Allowance(cost_usd=3.5))
    assert [s.name for s in seating.seats] == ["a"]
    assert seating.worst == Spending(10, 1.0)
    assert seating.wanted.cost_usd == 4.0


def test_what_is_left_is_never_below_nothing() -> None:
    limits = LimitsSpec(max_cost_usd=1.0, max_tokens=100, max_seconds=60.0, max_panels_per_run=1)
    assert remaining(limits, RunSoFar(Spending(40, 0.25), 20.0), 0) == Allowance(0.75, 60, 40.0, 1)
    assert remaining(limits, RunSoFar(Spending(400, 4.0), 90.0), 3) == Allowance(0.0, 0, 0.0, 0)
    assert remaining(LimitsSpec(), RunSoFar(Spending(400, None), 90.0), 3) == Allowance()


def test_an_unknown_cost_leaves_no_money() -> None:
    assert remaining(LimitsSpec(max_cost_usd=1.0), RunSoFar(Spending(1, None)), 0).cost_usd == 0.0


def test_the_answer_keeps_its_part_before_tools_get_theirs() -> None:
    spec = limited({"max_cost_usd": 1.0}, priced(10.0))
    tariff, request = Tariff(spec.models), run_request().request
    spare = for_tools(Allowance(cost_usd=1.0, tokens=50_000), tariff, "main", request)
    assert spare.cost_usd is not None
    assert 0.9 < spare.cost_usd < 0.94
    assert spare.tokens is not None
    assert 43_900 < spare.tokens < 44_000
    assert for_tools(Allowance(seconds=5.0), tariff, "main", request) == Allowance(seconds=5.0)


def test_tools_at_once_share_equally_and_queue_for_panels() -> None:
    left = Allowance(cost_usd=1.0, tokens=101, seconds=9.0, panels=1)
    assert left.share(0, 2) == Allowance(0.5, 50, 9.0, 1)
    assert left.share(1, 2) == Allowance(0.5, 50, 9.0, 0)


def test_tools_are_no_longer_offered_when_anything_is_used_up() -> None:
    tools = workflow().mounted
    assert still_offered(tools, Allowance()) == tools
    for gone in (Allowance(cost_usd=0.0), Allowance(tokens=0), Allowance(seconds=0.5), Allowance(panels=0)):
        assert still_offered(tools, gone) == {}
