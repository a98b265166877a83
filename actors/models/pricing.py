"""What a call costs: the workflow's own prices first, else the map that ships with LiteLLM, read as data.

LiteLLM itself is not imported for it: the map is a JSON file in its package.
"""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from workflows.messages import Usage
from workflows.spec import ModelSpec, PriceSpec

_MAP = "model_prices_and_context_window_backup.json"
_MILLION = 1_000_000


def price(spec: ModelSpec) -> PriceSpec | None:
    """US dollars per million tokens; None when nobody knows.

    The embedded and the scripted model cost nothing.
    """
    if spec.price is not None:
        return spec.price
    if spec.kind in {"embedded", "scripted"}:
        return PriceSpec(input=0.0, output=0.0)
    known = _entry(spec)
    if known is None or "input_cost_per_token" not in known:
        return None
    cached = known.get("cache_read_input_token_cost")
    return PriceSpec(
        input=known["input_cost_per_token"] * _MILLION,
        output=known.get("output_cost_per_token", 0.0) * _MILLION,
        cached_input=None if cached is None else cached * _MILLION,
    )


def cost(price: PriceSpec | None, usage: Usage) -> float | None:
    """US dollars; None when the price is unknown."""
    if price is None:
        return None
    cached = price.input if price.cached_input is None else price.cached_input
    fresh = usage.input_tokens - usage.cached_input_tokens
    total = fresh * price.input + usage.cached_input_tokens * cached + usage.output_tokens * price.output
    return total / _MILLION


def context_window(spec: ModelSpec) -> int | None:
    """How many tokens the model can read; None when nobody knows."""
    if spec.context_window is not None:
        return spec.context_window
    known = (_entry(spec) or {}).get("max_input_tokens")
    return int(known) if isinstance(known, int | float) else None


def _entry(spec: ModelSpec) -> dict[str, Any] | None:
    """LiteLLM's entry: under the whole name, or under the name without its provider."""
    if spec.kind != "litellm":
        return None
    name = spec.model
    while True:
        if name in _prices():
            return _prices()[name]
        _, slash, name = name.partition("/")
        if not slash:
            return None


@lru_cache(maxsize=1)
def _prices() -> dict[str, dict[str, Any]]:
    found = importlib.util.find_spec("litellm")
    places = list(found.submodule_search_locations or ()) if found else []
    file = next((Path(place) / _MAP for place in places if (Path(place) / _MAP).is_file()), None)
    prices: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8")) if file else {}
    return prices
