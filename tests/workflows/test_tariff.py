"""What one call may take, and what it took."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.messages import ChatRequest, Image, Message, Sampling, Text, Tool, ToolCall, ToolResult, Usage
from workflows.policy import Allowance, Spending
from workflows.spec import ModelSpec, PriceSpec
from workflows.tariff import (
    ASSUMED_OUTPUT,
    LEAST_OUTPUT,
    MEDIA_TOKENS,
    ModelFacts,
    Prices,
    Tariff,
    prompt_tokens,
)

ASKED = ChatRequest((Message.of("user", "word " * 80),))


def model(**fields: Any) -> ModelSpec:
    return ModelSpec(model="x", **fields)


def at(reading: float, writing: float, cached: float | None = None) -> PriceSpec:
    return PriceSpec(input=reading, output=writing, cached_input=cached)


def flat(price: PriceSpec) -> ModelFacts:
    return ModelFacts(Prices(((0, price),)))


def test_a_call_may_write_what_it_says_else_its_model_says_else_what_is_assumed() -> None:
    tariff = Tariff({"a": model(max_tokens=500), "b": model()}, {"b": ModelFacts(max_output=3_000)})
    assert tariff.output("a", 70) == 70
    assert tariff.output("a", None) == 500
    assert tariff.output("b", None) == 3_000
    assert Tariff({"b": model()}).output("b", None) == ASSUMED_OUTPUT


def test_the_dearest_of_a_model_and_its_fallbacks_counts() -> None:
    models = {"a": model(fallbacks=("b",), price=at(1, 1)), "b": model(price=at(1, 9))}
    assert Tariff(models).worst("a", 1_000_000, 1_000_000) == Spending(2_000_000, 10.0)


def test_a_chain_with_an_unknown_price_has_an_unknown_cost() -> None:
    models = {"a": model(fallbacks=("b",), price=at(1, 1)), "b": model()}
    assert Tariff(models).worst("a", 10, 10) == Spending(20, None)


def test_the_workflows_own_words_come_before_what_is_known_elsewhere() -> None:
    tariff = Tariff(
        {"a": model(price=at(1, 1), context_window=10)}, {"a": ModelFacts(flat(at(9, 9)).prices, 99)}
    )
    assert tariff.cost("a", Usage(1_000_000)) == 1.0
    assert tariff.window("a") == 10


def test_the_window_is_the_smallest_of_the_chain() -> None:
    models = {"a": model(fallbacks=("b",), context_window=8_000), "b": model(context_window=4_000)}
    assert Tariff(models).window("a") == 4_000
    assert Tariff({"a": model()}).window("a") is None


def test_a_long_prompt_falls_into_its_tier_and_a_dear_cache_is_foreseen() -> None:
    tiers = Prices(((0, at(1, 1)), (1_000, at(2, 2))))
    assert (tiers.at(1_000).input, tiers.at(1_001).input) == (1, 2)
    tariff = Tariff({"a": model()}, {"a": flat(at(1, 1, cached=3))})
    assert tariff.worst("a", 1_000_000, 0).cost_usd == 3.0


def test_nothing_used_costs_nothing_and_an_unknown_price_costs_nobody_knows_what() -> None:
    tariff = Tariff({"a": model()})
    assert tariff.cost("a", Usage()) == 0.0
    assert tariff.cost("a", Usage(1)) is None
    assert tariff.cost("gone", Usage(1)) is None


def test_without_bounds_a_request_is_sent_as_it_is() -> None:
    assert Tariff({"a": model()}).held("a", ASKED, Allowance(seconds=3.0)) is ASKED


def test_too_little_for_an_answer_is_nothing_unless_no_more_was_asked_for() -> None:
    tariff, prompt = Tariff({"a": model()}), prompt_tokens(ASKED)
    assert tariff.held("a", ASKED, Allowance(tokens=prompt + LEAST_OUTPUT - 1)) is None
    least = tariff.held("a", ASKED, Allowance(tokens=prompt + LEAST_OUTPUT))
    assert least is not None
    assert least.sampling.max_tokens == LEAST_OUTPUT
    small = ChatRequest(ASKED.messages, sampling=Sampling(max_tokens=1))
    assert tariff.held("a", small, Allowance(tokens=prompt + 1)) == small
    assert tariff.held("a", small, Allowance(tokens=prompt)) is None


def test_a_model_without_a_price_cannot_be_held_to_a_bound_on_money() -> None:
    assert Tariff({"a": model()}).held("a", ASKED, Allowance(cost_usd=100.0)) is None


@settings(deadline=None)
@given(
    st.floats(0, 1),
    st.integers(0, 20_000),
    st.floats(0, 100),
    st.floats(0, 100),
    st.none() | st.integers(1, 5_000),
)
def test_a_held_request_never_takes_more_than_is_left(
    money: float, tokens: int, reading: float, writing: float, asked: int | None
) -> None:
    tariff = Tariff({"a": model(price=at(reading, writing))})
    request = ChatRequest(ASKED.messages, sampling=Sampling(max_tokens=asked))
    held = tariff.held("a", request, Allowance(money, tokens))
    if held is not None:
        assert held.sampling.max_tokens is not None
        worst = tariff.worst("a", prompt_tokens(held), held.sampling.max_tokens)
        assert worst.tokens <= tokens
        assert worst.cost_usd is not None
        assert worst.cost_usd <= money * (1 + 1e-9)
        assert held.sampling.max_tokens <= (asked or ASSUMED_OUTPUT)


def test_everything_that_a_model_reads_counts() -> None:
    text = "word " * 20
    sizes = [
        prompt_tokens(ChatRequest((Message("user", parts),)))
        for parts in (
            (Text(text),),
            (ToolCall("id", "tool", text),),
            (ToolResult("id", (Text(text),)),),
        )
    ]
    assert all(25 <= size <= 40 for size in sizes)
    assert (
        prompt_tokens(ChatRequest((Message("user", (Image("data:image/png;base64,AAAA"),)),))) > MEDIA_TOKENS
    )
    with_tool = ChatRequest(ASKED.messages, tools=(Tool("t", text, {"type": "object"}),))
    assert prompt_tokens(with_tool) >= prompt_tokens(ASKED) + 25
