"""What one call may take at worst, and what it took: tokens, and US dollars where prices are known.

The worst case of a call is its prompt, estimated (`workflows.text.estimated_tokens`, which errs upwards for prose),
and all the tokens that it may write: its own `max_tokens`, else its model's, else `ASSUMED_OUTPUT` or what the model
can write, if that is less. A call whose money or tokens are bounded is sent with that number as its `max_tokens`, so
that the worst case is a bound and no guess.

With fallbacks the dearest of a model and its fallbacks counts, and a call that may be hedged counts twice. A retry
follows a failure, which providers do not bill: it is not foreseen, and what a call that broke off had written counts
afterwards. What nobody knows (a price, a window) is None, and a sum with an unknown price is unknown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from workflows.messages import ChatRequest, Message, Part, Reasoning, Text, ToolCall, ToolResult, Usage
from workflows.policy import Allowance, Spending
from workflows.spec import ModelSpec, PriceSpec
from workflows.text import estimated_tokens

ASSUMED_OUTPUT = 8_000
"""Tokens that a call without any `max_tokens` is taken to write."""

LEAST_OUTPUT = 64
"""Tokens below which an answer is not worth asking for, unless the client wants less."""

MEDIA_TOKENS = 2_000
"""Tokens that one image or file is taken to have: a rule of thumb, between a thumbnail and some pages."""

LISTED_HOSTS = {
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
    "api.groq.com": "groq",
    "api.x.ai": "xai",
    "api.together.xyz": "together_ai",
    "generativelanguage.googleapis.com": "gemini",
}
"""Providers whose prices LiteLLM's map knows although they are called directly, by host; the names are LiteLLM's."""

_PER_MESSAGE = 8
"""Tokens around each message in a chat template."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model's tokens cost.

    Attributes:
        tiers: prices by length of the prompt: each holds for prompts of more than so many tokens; ascending from 0.
        agreed: the workflow says so itself, so a provider's own figure does not count.
    """

    tiers: tuple[tuple[int, PriceSpec], ...]
    agreed: bool = False

    def cost(self, usage: Usage) -> float:
        """US dollars. The whole call has the price of the tier that its prompt falls into."""
        price = self.at(usage.input_tokens)
        cached = price.input if price.cached_input is None else price.cached_input
        fresh = max(0, usage.input_tokens - usage.cached_input_tokens)
        total = fresh * price.input + usage.cached_input_tokens * cached + usage.output_tokens * price.output
        return total / _MILLION

    def at(self, prompt: int) -> PriceSpec:
        """The price of a call with a prompt of so many tokens."""
        return next(price for above, price in reversed(self.tiers) if prompt > above or above == 0)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known about a model outside of the workflow; None where nobody knows.

    Attributes:
        prices: what it costs.
        context_window: tokens that it can read.
        max_output: tokens that it can write in one answer.

    """

    prices: Prices | None = None
    context_window: int | None = None
    max_output: int | None = None


Facts: TypeAlias = Mapping[str, ModelFacts]
"""By the workflow's aliases."""

_NOTHING = ModelFacts()


@dataclass(frozen=True, slots=True)
class Tariff:
    """A workflow's models with what is known about them."""

    models: Mapping[str, ModelSpec]
    facts: Facts = field(default_factory=dict)

    def worst(self, alias: str, prompt: int, output: int) -> Spending:
        """The most that one call can take which reads `prompt` tokens and writes at most `output`."""
        costs = [_dearest(self._about(each).prices, prompt, output) for each in self._chain(alias)]
        known = [each for each in costs if each is not None]
        return Spending(prompt + output, max(known) if len(known) == len(costs) else None)

    def output(self, alias: str, asked: int | None) -> int:
        """The most that one call may write; `asked` is the call's own `max_tokens`."""
        own = asked or self.models[alias].max_tokens
        possible = [self._about(each).max_output for each in self._chain(alias)]
        return own or min([ASSUMED_OUTPUT, *(most for most in possible if most is not None)])

    def window(self, alias: str) -> int | None:
        """Tokens that the model and all its fallbacks can read; None when nobody knows."""
        known = [self._about(each).context_window for each in self._chain(alias)]
        return min((window for window in known if window is not None), default=None)

    def cost(self, alias: str, usage: Usage) -> float | None:
        """US dollars for what a call of this alias used; nothing used costs nothing."""
        prices = self._about(alias).prices
        if usage == Usage():
            return 0.0
        return None if prices is None else prices.cost(usage)

    def held(self, alias: str, request: ChatRequest, left: Allowance) -> ChatRequest | None:
        """The request with its `max_tokens` cut to what is left; None when that is too little for an answer."""
        if not left.counted:
            return request
        wanted, prompt = self.output(alias, request.sampling.max_tokens), prompt_tokens(request)
        output = min(wanted, self._affordable(alias, prompt, left))
        if output < min(wanted, LEAST_OUTPUT):
            return None
        return replace(request, sampling=replace(request.sampling, max_tokens=output))

    def shortage(self, alias: str, request: ChatRequest, left: Allowance) -> str:
        """Whether ``cost_usd`` or ``tokens`` are too little for the request (when it cannot be held)."""
        return left.lacks(self.worst(alias, prompt_tokens(request), LEAST_OUTPUT)) or "tokens"

    def _affordable(self, alias: str, prompt: int, left: Allowance) -> int:
        """How many tokens may be written after so many were read; negative when not even the prompt fits."""
        bounds = [] if left.tokens is None else [left.tokens - prompt]
        if left.cost_usd is not None:
            bounds += [
                _written(self._about(each).prices, prompt, left.cost_usd) for each in self._chain(alias)
            ]
        return min(bounds)

    def _chain(self, alias: str) -> Sequence[str]:
        return (alias, *self.models[alias].fallbacks)

    def _about(self, alias: str) -> ModelFacts:
        known, spec = self.facts.get(alias, _NOTHING), self.models.get(alias)
        if spec is None:
            return known
        prices = known.prices if spec.price is None else Prices(((0, spec.price),), agreed=True)
        return ModelFacts(prices, spec.context_window or known.context_window, known.max_output)


def _dearest(prices: Prices | None, prompt: int, output: int) -> float | None:
    """The cost of a call, whatever part of its prompt the provider takes from its cache."""
    if prices is None:
        return None
    return max(prices.cost(Usage(prompt, output, cached)) for cached in (0, prompt))


def prompt_tokens(request: ChatRequest) -> int:
    """An estimate of what a model reads for this request: messages, tools and the demanded form."""
    tools = sum(
        estimated_tokens(f"{tool.name} {tool.description} {json.dumps(tool.input_schema)}")
        for tool in request.tools
    )
    wanted = request.response_format
    form = estimated_tokens(json.dumps(wanted.schema)) if wanted and wanted.schema else 0
    return tools + form + sum(map(_message_tokens, request.messages))


def _message_tokens(message: Message) -> int:
    return _PER_MESSAGE + sum(part_tokens(part, MEDIA_TOKENS) for part in message.parts)


def part_tokens(part: Part, media: int) -> int:
    """An estimate of a part's tokens; `media` is that of a picture or a file."""
    match part:
        case Text(text) | Reasoning(text):
            return estimated_tokens(text)
        case ToolCall():
            return estimated_tokens(part.name + part.arguments)
        case ToolResult(content=content):
            return sum(part_tokens(each, media) for each in content)
        case _:
            return media


def _written(prices: Prices | None, prompt: int, money: float) -> int:
    """How many tokens the money buys after the prompt; negative when there are none, or no price."""
    read = _dearest(prices, prompt, 0)
    if prices is None or read is None or read > money:
        return -1
    price = prices.at(prompt).output
    return int(min((money - read) / price * _MILLION, sys.maxsize)) if price else sys.maxsize
