import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.cli.render.words import count, harmless, money, seconds, short_model, tokens
from workflows.messages import Usage


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0.00 s"),
        (0.042, "0.04 s"),
        (8.44, "8.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1 m 00 s"),
        (125.2, "2 m 05 s"),
    ],
)
def test_durations_have_the_unit_that_fits(value: float | None, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (1_234_567, "1.2M")]
)
def test_counts_stay_short(value: int, text: str) -> None:
    assert count(value) == text


@given(st.integers(min_value=0, max_value=999_000_000))
def test_no_count_is_longer_than_six_characters(value: int) -> None:
    assert len(count(value)) <= 6 + ("," in count(value))


def test_tokens_show_both_directions_and_mark_estimates() -> None:
    assert tokens(Usage(1204, 96)) == "1,204→96"
    assert tokens(Usage(160, 3, estimated=True)) == "~160→3"
    assert tokens(Usage()) == "-"


@pytest.mark.parametrize(
    ("usd", "text"),
    [(None, "unknown"), (0.0, "$0"), (0.000321, "$0.00032"), (0.0312, "$0.03"), (12.5, "$12.50")],
)
def test_small_amounts_of_money_keep_their_meaning(usd: float | None, text: str) -> None:
    assert money(usd) == text


def test_a_models_own_name_stands_behind_its_providers() -> None:
    assert short_model("openrouter/anthropic/claude-opus-4.8") == "claude-opus-4.8"
    assert short_model("tiny") == "tiny"


@given(st.text())
def test_foreign_text_cannot_drive_the_terminal(text: str) -> None:
    left = harmless(f"\x1b[2J{text}\x9b31m\x07\r")
    assert not {c for c in left if (ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160}
    assert harmless(left) == left
