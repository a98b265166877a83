from hypothesis import given
from hypothesis import strategies as st

from serve_app.cli.render.waterfall import Axis, Bar
from tests.serve_app.cli.screen import drawn

shares = st.floats(min_value=0, max_value=1)
widths = st.integers(min_value=8, max_value=120)


@given(st.lists(shares, min_size=3, max_size=3), widths)
def test_a_bar_is_always_visible_and_never_wider_than_its_place(times: list[float], width: int) -> None:
    begin, spoke, end = sorted(times)
    line = Bar(begin, spoke, end, "ok").drawn(width).plain
    assert line.strip()
    assert len(line) <= width


@given(shares, shares, widths)
def test_what_begins_later_is_drawn_further_right(one: float, other: float, width: int) -> None:
    def margin(begin: float) -> int:
        line = Bar(begin, begin, 1.0, "ok").drawn(width).plain
        return len(line) - len(line.lstrip())

    first, second = sorted((one, other))
    assert margin(first) <= margin(second)


def test_the_wait_for_the_first_token_is_thin() -> None:
    assert Bar(0.0, 0.5, 1.0, "ok").drawn(8).plain == "────━━━━"


def test_half_cells_are_drawn() -> None:
    assert Bar(1 / 16, 1 / 16, 3 / 16, "ok").drawn(8).plain == "╺╸"
    assert Bar(0.0, 1 / 16, 1.0, "ok").drawn(8).plain == "╼━━━━━━━"


def test_the_axis_goes_from_zero_to_the_total() -> None:
    assert drawn(Axis(8.44), 20) == ["0" + "8.4 s".rjust(19)]
