"""What a model costs and how much it takes: the workflow's own words first, else the map that ships with LiteLLM.

LiteLLM itself is not imported for it: the map is a JSON file in its package, read once, when first asked for. A model
behind an address of one's own is not looked up there: it may have any name, and costs what its owner says.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from workflows.spec import ModelSpec, PriceSpec, WorkflowSpec
from workflows.tariff import LISTED_HOSTS, Facts, ModelFacts, Prices

Entry: TypeAlias = Mapping[str, Any]

_MAP = "model_prices_and_context_window_backup.json"
_MILLION = 1_000_000
_INPUT, _OUTPUT, _CACHED = "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"
_KEPT = re.compile(
    rf"litellm_provider|max_input_tokens|max_output_tokens|(?:{_INPUT}|{_OUTPUT}|{_CACHED})(?:_above_\d+k_tokens)?"
)
_TIER = re.compile(rf"{_INPUT}(?P<above>_above_(?P<thousands>\d+)k_tokens)")


def prices(spec: ModelSpec) -> Prices | None:
    """A model's prices; None when nobody knows. The embedded and the scripted model cost nothing."""
    if spec.price is not None:
        return Prices(((0, spec.price),), agreed=True)
    if spec.kind in {"embedded", "scripted"}:
        return Prices(((0, PriceSpec(input=0.0, output=0.0)),), agreed=True)
    entry = _entry(spec)
    if _INPUT not in entry:
        return None
    found = (match for match in map(_TIER.fullmatch, entry) if match)
    above = sorted((int(match["thousands"]) * 1000, match["above"]) for match in found)
    return Prices(((0, _price(entry, "")), *((limit, _price(entry, name)) for limit, name in above)))


def price(spec: ModelSpec) -> PriceSpec | None:
    """US dollars per million tokens of an ordinary prompt; None when nobody knows."""
    known = prices(spec)
    return None if known is None else known.tiers[0][1]


def context_window(spec: ModelSpec) -> int | None:
    """How many tokens the model can read; None when nobody knows."""
    return spec.context_window or _count(_entry(spec), "max_input_tokens")


def max_output(spec: ModelSpec) -> int | None:
    """How many tokens the model can write in one answer; None when nobody knows."""
    return _count(_entry(spec), "max_output_tokens")


def facts(spec: WorkflowSpec) -> Facts:
    """What is known about each model of a workflow, by alias."""
    return {
        alias: ModelFacts(prices(model), context_window(model), max_output(model))
        for alias, model in spec.models.items()
    }


def _entry(spec: ModelSpec) -> Entry:
    """The map's entry; empty when it has none.

    A name with a provider that is not in the map may be there without it, as long as the entry is that provider's: an
    Anthropic model has another price at another provider.
    """
    if spec.kind == "litellm":
        name = spec.model
    elif (
        spec.kind == "openai_compatible" and (host := urlsplit(spec.base_url or "").hostname) in LISTED_HOSTS
    ):
        name = f"{LISTED_HOSTS[host]}/{spec.model}"
    else:
        return {}
    known = _map()
    if name in known:
        return known[name]
    provider, _, bare = name.partition("/")
    entry = known.get(bare, {})
    return entry if str(entry.get("litellm_provider", "")).startswith(provider) else {}


def _price(entry: Entry, above: str) -> PriceSpec:
    cached = _number(entry, f"{_CACHED}{above}")
    return PriceSpec(
        input=(_number(entry, f"{_INPUT}{above}") or 0.0) * _MILLION,
        output=(_number(entry, f"{_OUTPUT}{above}") or _number(entry, _OUTPUT) or 0.0) * _MILLION,
        cached_input=None if cached is None else cached * _MILLION,
    )


def _count(entry: Entry, name: str) -> int | None:
    found = _number(entry, name)
    return int(found) if found else None


def _number(entry: Entry, name: str) -> float | None:
    value = entry.get(name)
    return float(value) if isinstance(value, int | float) else None


@lru_cache(maxsize=1)
def _map() -> Mapping[str, Entry]:
    """The map, reduced to what is asked here; empty when LiteLLM is not installed."""
    found = importlib.util.find_spec("litellm")
    places = list(found.submodule_search_locations or ()) if found else []
    file = next((Path(place) / _MAP for place in places if (Path(place) / _MAP).is_file()), None)
    if file is None:
        return {}
    told: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return {
        name: {key: value for key, value in entry.items() if _KEPT.fullmatch(key)}
        for name, entry in told.items()
    }
