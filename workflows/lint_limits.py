"""Lint rules about what a run may use, and about panels that decide how much of it they need."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from workflows.accounts import RULE, disagreements
from workflows.findings import Finding, warning
from workflows.spec import ModelSpec, WorkflowSpec
from workflows.tariff import LISTED_HOSTS

_HARDLY_ALIKE = 0.5
"""Answers that agree less than this have as much in common as any two on one subject."""

_A_LONG_THOUGHT = 60.0
"""Seconds."""


def price_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """With a bound on money every model needs a price; LiteLLM's map cannot know that of a server of one's own."""
    if spec.limits.max_cost_usd is None:
        return
    for alias, model in spec.models.items():
        if model.price is None and _unlisted(model):
            message = (
                "`limits.max_cost_usd` needs a price for every model, and LiteLLM's map cannot know this one's: "
                "add `price: {input: ..., output: ...}` in US dollars per million tokens"
            )
            yield Finding(("models", alias), message, "price-unknown")


def adaptive_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """A panel that starts small can grow, and may go on with as many answers as it starts with."""
    for name, tool in spec.panels.items():
        if tool.panel is None:
            continue
        place, size = ("tools", name, "panel", "start"), len(tool.branches)
        if tool.panel.start >= size:
            message = f"has no effect: the panel has {size} branches, so all of them are asked at once"
            yield warning(place, message, "start-without-effect")
        elif tool.panel.start < tool.collect.quorum:
            message = f"is less than the quorum of {tool.collect.quorum}, which the first round cannot reach"
            yield warning(place, message, "start-below-quorum")


def agreement_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """A synthesis is skipped only when the answers say the same."""
    for name, tool in spec.panels.items():
        threshold = tool.synthesis.skip_when_agreement
        if threshold is not None and threshold < _HARDLY_ALIKE:
            message = "answers that agree so little may say different things; 0.9 is a good value"
            yield warning(("tools", name, "synthesis", "skip_when_agreement"), message, "agreement-too-low")


def silence_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """Models that think before they speak are silent for a while."""
    if spec.limits.max_silence < _A_LONG_THOUGHT:
        message = "is shorter than many models think before their first token; 10m is a good value"
        yield warning(("limits", "max_silence"), message, "silence-too-short")


def account_rules(spec: WorkflowSpec) -> Iterator[Finding]:
    """Models of one account are counted together when all of them declare its limits, and the same ones."""
    for place, sentence in disagreements(spec, (spec,)):
        yield warning(place, sentence, RULE)


def _unlisted(model: ModelSpec) -> bool:
    host = urlsplit(model.base_url or "").hostname
    return model.kind == "openai_compatible" and host not in LISTED_HOSTS
