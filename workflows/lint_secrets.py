"""Lint rules about secrets: a workflow file is shown, stored and shared, so no key may stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from workflows.findings import Finding
from workflows.spec import Place, WorkflowSpec

_SECRET_NAME = re.compile(
    r"authorization|cookie|(?:^|[-_])(?:api[-_]?)?key$|apikey|secret|password|passwd|(?:^|[-_])token$|credential",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"\b(?:sk-|sk_|pk-|rk-|gsk_|xai-|hf_|r8_|ghp_|gho_|ghs_|github_pat_|glpat-|xox[abpr]-|pplx-|nvapi-)[\w-]{12,}"
    r"|\bAIza[\w-]{20,}|\bAKIA[0-9A-Z]{12,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.|\b(?:bearer|basic)\s+[\w.~+/-]{8,}",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"[a-z]+://[^/?#]*@", re.IGNORECASE)
_MESSAGE = "looks like a secret; put it into an environment variable and name that in `api_key_env`"


def secret_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """No key in a model's headers, extra parameters, address or names."""
    for alias, model in spec.models.items():
        at: Place = ("models", alias)
        for key, value in model.headers.items():
            if _SECRET_NAME.search(key) or _SECRET_VALUE.search(value):
                yield _finding((*at, "headers", key))
        yield from _inside((*at, "extra"), model.extra)
        if model.base_url and _address_has_secret(model.base_url):
            yield _finding((*at, "base_url"))
        for key in ("api_key_env", "model"):
            if _SECRET_VALUE.search(getattr(model, key) or ""):
                yield _finding((*at, key))


def _inside(place: Place, value: Any) -> Iterator[Finding]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str) and _SECRET_NAME.search(key):
                yield _finding((*place, key))
            else:
                yield from _inside((*place, key), item)
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _inside((*place, i), item)
    if isinstance(value, str) and _SECRET_VALUE.search(value):
        yield _finding(place)


def _address_has_secret(address: str) -> bool:
    names = (key for key, _ in parse_qsl(address.partition("?")[2]))
    told = _USER_INFO.match(address) or _SECRET_VALUE.search(address)
    return told is not None or any(map(_SECRET_NAME.search, names))


def _finding(place: Place) -> Finding:
    return Finding(place, _MESSAGE, "secret-literal")
